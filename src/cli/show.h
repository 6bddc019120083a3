/* What the files of `sweepstake show` share. */
#pragma once

#include "cli.h"
#include "sweepstake/prune.h"

/* show_keys.c: every key of a sweep file. */
enum sw_status sw_cli_show_keys(void) SW_NODISCARD;
/* show_keys.c: the keys that one implementation uses, below its line. */
enum sw_status sw_cli_show_options(const char *const *keys) SW_NODISCARD;
/* show_keys.c: one key, in lines. */
enum sw_status sw_cli_show_key(const struct sw_field *field) SW_NODISCARD;

/* show_entry.c: formula, source and needs of a criterion, in lines. */
void sw_cli_show_criterion(const struct sw_criterion *criterion);
/* show_entry.c: is there a key, a backend or an entry of some registry of that name? */
bool sw_cli_has_entry(const char *name);
/* show_entry.c: whatever has that name; several things may. */
enum sw_status sw_cli_show_entry(const char *name) SW_NODISCARD;
/* show_entry.c: the one that is spelled most like it, or NULL. */
const char *sw_cli_nearest_entry(const char *name);
