/* sweepstake bench inference: a ticket of a store, or random ones. */
#include <stdio.h>

#include "bench_words.h"

enum { CLASSES = 10 };

static void print_json(const struct sw_cli_bench_words *words, const struct sw_bench_ticket *ticket,
                       const struct sw_bench_inference *line) {
    json_t *json = json_object();
    json_object_set_new(json, "model", sw_cli_json_text(ticket->arch.model));
    json_object_set_new(json, "store",
                        words->store != NULL ? sw_cli_json_text(words->store) : json_null());
    json_object_set_new(json, "ticket",
                        words->ticket != NULL ? sw_cli_json_text(words->ticket) : json_null());
    json_object_set_new(json, "granularity",
                        words->store == NULL ? sw_cli_json_text(words->granularity) : json_null());
    json_object_set_new(json, "sparsity", json_real(ticket->sparsity));
    json_object_set_new(json, "batch", json_integer(line->batch));
    json_object_set_new(json, "format", json_string(line->format));
    json_object_set_new(json, "layers", json_string(line->layers));
    json_object_set_new(json, "us", json_real(line->us));
    json_object_set_new(json, "ratio", json_real(line->ratio));
    json_object_set_new(json, "bytes_weights", json_integer(line->bytes_weights));
    json_object_set_new(json, "bytes_activations", json_integer(line->bytes_activations));
    json_object_set_new(json, "difference", json_real(line->difference));
    json_object_set_new(json, "passes", json_integer(words->steps));
    json_object_set_new(json, "threads", json_integer(words->threads));
    json_object_set_new(json, "backend", sw_cli_json_text(words->backend));
    json_object_set_new(json, "isa", json_string(sw_isa_name(sw_isa_detect())));
    sw_cli_print_json(json, 0);
}

static void print_text(const struct sw_cli_bench_words *words, const struct sw_bench_ticket *ticket,
                       const struct sw_bench_inference lines[SW_BENCH_INFERENCES]) {
    char sparsity[16], weights[32], activations[32];
    printf("%s, %s %% of its weights removed, backend %s (%s), threads %lld, median of %lld "
           "passes\nbatch  format        us  ratio to dense     weights  activations\n",
           ticket->arch.model, sw_cli_percent(sparsity, sizeof sparsity, ticket->sparsity),
           words->backend, sw_isa_name(sw_isa_detect()), (long long) words->threads,
           (long long) words->steps);
    for (int i = 0; i < SW_BENCH_INFERENCES; i++)
        printf("%5lld  %-6s  %8.2f  %14.2f  %10s  %11s\n", (long long) lines[i].batch,
               lines[i].format, lines[i].us, lines[i].ratio,
               sw_text_bytes(weights, sizeof weights, (double) lines[i].bytes_weights),
               sw_text_bytes(activations, sizeof activations, (double) lines[i].bytes_activations));
}

static enum sw_status time_ticket(const struct sw_cli_bench_words *words,
                                  const struct sw_bench_ticket *ticket) {
    struct sw_bench_inference_options options = {.ticket = ticket,
                                                 .backend = words->backend,
                                                 .passes = words->steps,
                                                 .threads = (int) words->threads,
                                                 .isa = sw_isa_detect()};
    struct sw_bench_inference lines[SW_BENCH_INFERENCES];
    SW_TRY(sw_bench_time_inference(&options, lines));
    if (!words->json) print_text(words, ticket, lines);
    for (int i = 0; words->json && i < SW_BENCH_INFERENCES; i++)
        print_json(words, ticket, &lines[i]);
    return SW_OK;
}

static enum sw_status load_ticket(const struct sw_cli_bench_words *words,
                                  struct sw_bench_ticket *out) {
    struct sw_cli_ticket_name name;
    struct sw_store *store = NULL;
    int64_t row = -1;
    SW_TRY(sw_cli_ticket_parse(words->ticket, &name));
    SW_TRY(sw_store_open(words->store, SW_STORE_READ, &store));
    enum sw_status status = sw_cli_ticket_find(store, &name, &row);
    if (status == SW_OK) status = sw_bench_load_ticket(store, row, out);
    sw_store_close(&store);
    return status;
}

enum sw_status sw_cli_bench_inference(const struct sw_cli_bench_words *words) {
    struct sw_bench_ticket ticket;
    for (int i = 0; i < (words->store != NULL ? 1 : words->n_sparsities); i++) {
        if (words->store != NULL)
            SW_TRY(load_ticket(words, &ticket));
        else
            SW_TRY(sw_bench_make_ticket(words->model, NULL, CLASSES, words->granularity,
                                        words->sparsity[i], &ticket));
        enum sw_status status = time_ticket(words, &ticket);
        sw_bench_ticket_fini(&ticket);
        if (status != SW_OK) return status;
    }
    return SW_OK;
}
