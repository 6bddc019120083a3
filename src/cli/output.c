/* Errors, JSON and tables. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"
#include "sweepstake/memory.h"

/* ---- errors --------------------------------------------------------------------------------------- */

int sw_cli_fail(enum sw_status status) {
    const char *text = sw_status_text();
    if (*text == '\0') text = sw_status_sentence(status);
    if (status == SW_INTERNAL)
        sw_cli_complain("%s (%s)", text, sw_status_origin());
    else
        sw_cli_complain("%s", text);
    return sw_status_exit_code(status);
}

void sw_cli_complain(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fputs("sweepstake: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
}

/* ---- JSON ------------------------------------------------------------------------------------------ */

void sw_cli_print_json(json_t *json, int indent) {
    size_t flags = JSON_REAL_PRECISION(10) | (indent > 0 ? JSON_INDENT((size_t) indent) : 0);
    if (json == NULL || json_dumpf(json, stdout, flags) != 0)
        sw_cli_complain("cannot write JSON");
    else
        fputc('\n', stdout);
    json_decref(json);
}

json_t *sw_cli_json_real(double value) {
    return isfinite(value) ? json_real(value) : json_null();
}

json_t *sw_cli_json_text(const char *text) {
    json_t *json = json_string(text);
    if (json != NULL) return json;
    char copy[1024];
    size_t n = 0;
    for (; text[n] != '\0' && n + 1 < sizeof copy; n++)
        copy[n] = (unsigned char) text[n] < 0x80 ? text[n] : '?';
    copy[n] = '\0';
    return json_string(copy);
}

/* ---- tables ---------------------------------------------------------------------------------------- */

enum sw_status sw_cli_table_add(struct sw_cli_table *table, const char *format, ...) {
    char *cell = NULL;
    va_list arguments;
    va_start(arguments, format);
    int length = vasprintf(&cell, format, arguments);
    va_end(arguments);
    if (length < 0) return SW_FAIL(SW_NOMEM, "no memory for a table");
    enum sw_status status = SW_GROW(&table->cells, table->n, table->n + 1, "table");
    if (status != SW_OK)
        free(cell);
    else
        table->cells[table->n++] = cell;
    return status;
}

enum sw_status sw_cli_table_row(struct sw_cli_table *table, const char *const *words) {
    for (size_t i = 0; i < table->columns; i++)
        SW_TRY(sw_cli_table_add(table, "%s", words[i]));
    return SW_OK;
}

static size_t column_width(const struct sw_cli_table *table, size_t column) {
    size_t width = 0;
    for (size_t i = column; i < table->n; i += table->columns)
        if (strlen(table->cells[i]) > width) width = strlen(table->cells[i]);
    return width;
}

void sw_cli_table_print(const struct sw_cli_table *table, const char *indent) {
    size_t width[16] = {0};
    for (size_t column = 0; column + 1 < table->columns && column < 16; column++)
        width[column] = column_width(table, column);
    for (size_t i = 0; i < table->n; i++) {
        size_t column = i % table->columns;
        if (column == 0) fputs(indent, stdout);
        if (column + 1 == table->columns || column >= 16)
            printf("%s\n", table->cells[i]);
        else
            printf("%-*s  ", (int) width[column], table->cells[i]);
    }
}

void sw_cli_table_fini(struct sw_cli_table *table) {
    for (size_t i = 0; i < table->n; i++)
        free(table->cells[i]);
    SW_FREE(&table->cells);
    table->n = 0;
}

char *sw_cli_percent(char *out, size_t size, double share) {
    double percent = 100 * share;
    int digits = percent >= 99.95 ? 0 : percent >= 9.995 ? 1 : percent >= 0.9995 ? 2 : 3;
    snprintf(out, size, "%.*f", digits, percent);
    return out;
}
