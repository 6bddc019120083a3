/* Module: store
 * Purpose: the shared HDF5 file: created once with a fixed layout, then only filled in.
 * Takes: a sweep and finished rounds. Gives: the same back, checks, digest, exported tickets.
 * Layout, order of writing and faults: DESIGN in src/store/README.md. No call here is collective.
 * A store is hostile input: everything is checked with plain I/O before HDF5 opens it. */
#pragma once

#include "sweepstake/sweep.h"
#include "sweepstake/system.h"

#define SW_STORE_SCHEMA 4

/* What made a store; enforced by --resume. */
struct sw_store_identity {
    char isa[16];          /* lowest over all ranks */
    char openblas[64];     /* version and core, as OpenBLAS reports them */
    char program[64];      /* version of Sweepstake */
    char kernel_table[32]; /* version of the committed choice table */
};

struct sw_store; /* opaque */

enum sw_store_mode {
    SW_STORE_READ, /* plain POSIX driver; works beside a running sweep; needs no MPI */
    SW_STORE_WRITE /* MPI-IO driver on MPI_COMM_SELF; after MPI_Init */
};

/* Create a store for `sweep` at `path`: built under a temporary name in the same folder, synced,
 * renamed. Called by one process. Errors: SW_IO (also when `path` exists), SW_NOMEM. */
enum sw_status sw_store_create(const char *path, const struct sw_sweep *sweep,
                               const struct sw_store_identity *identity) SW_NODISCARD;

/* Remove what killed creators of this store have left: STORE.tmp.PID of processes that are not on this
 * host. The caller holds the lock, so that no other host creates it now. */
void sw_store_tidy(const char *path);

/* Exact size in bytes of the store that sw_store_create would make; writes nothing to the disk. Errors:
 * SW_IO, SW_NOMEM. */
enum sw_status sw_store_measure(const struct sw_sweep *sweep,
                                const struct sw_store_identity *identity,
                                int64_t *bytes) SW_NODISCARD;

/* Open. Errors: SW_NOT_FOUND (no such file), SW_IO, SW_DAMAGED (not a store, truncated, damaged
 * header, newer schema), with what was found. */
enum sw_status sw_store_open(const char *path, enum sw_store_mode mode,
                             struct sw_store **out) SW_NODISCARD;
void sw_store_close(struct sw_store **store);

/* The fixed part, borrowed from the open store. */
const struct sw_store_identity *sw_store_identity(const struct sw_store *store);
const char *sw_store_canonical(const struct sw_store *store); /* canonical text of the trials */
const char *sw_store_text(const struct sw_store *store);      /* the sweep file */
int64_t sw_store_n_trials(const struct sw_store *store);
int64_t sw_store_n_rounds(const struct sw_store *store);
const struct sw_round_plan *sw_store_round(const struct sw_store *store, int64_t row);
/* The network of the rounds whose plan says arch == `index`; NULL when there is none. */
const struct sw_arch *sw_store_arch(const struct sw_store *store, int64_t index);
/* A data set as it was when the store was made; NULL past the end. */
const struct sw_data_info *sw_store_data(const struct sw_store *store, int64_t index);
/* Row of trial/round/control, -1 when there is none. */
int64_t sw_store_row(const struct sw_store *store, int64_t trial, int64_t round,
                     enum sw_control control);

/* ---- rounds --------------------------------------------------------------------------------- */

/* A finished round, section by section; NULL where the round has none. bytes as really used. */
struct sw_payload {
    const void *bytes[SW_SECTION_COUNT];
    size_t length[SW_SECTION_COUNT];
};

/* Write the sections, then the commit record, once. `durable` syncs in between. Safe to repeat with
 * the same bytes (a late writer). Errors: SW_IO (full disk: nothing is committed), SW_INTERNAL (a
 * section is larger than its slab). */
enum sw_status sw_store_commit(struct sw_store *store, int64_t row,
                               const struct sw_payload *payload, bool durable) SW_NODISCARD;

/* Take the commit records of n rounds away, so that they count as missing and run again; synced.
 * The caller holds the lock. Errors: SW_IO, SW_INTERNAL (no such row). */
enum sw_status sw_store_withdraw(struct sw_store *store, const int64_t *rows,
                                 int64_t n) SW_NODISCARD;

enum sw_round_state {
    SW_ROUND_MISSING,   /* no commit record */
    SW_ROUND_COMMITTED, /* everything checks */
    SW_ROUND_TORN,      /* a commit record that does not check: not committed */
    SW_ROUND_DAMAGED /* committed, but a section does not match its checksum or breaks an invariant
                      */
};
struct sw_round_check {
    enum sw_round_state state;
    bool failed;             /* committed as failed */
    enum sw_section section; /* first section that is wrong, when damaged */
    char detail[160];        /* for a person */
};
/* Check one round. `deep` also reads every section and compares checksums and invariants (mask
 * counts, nesting in the parent's mask, theta0 under the mask only by checksum); without it only
 * the commit record is looked at. */
enum sw_status sw_store_check_round(struct sw_store *store, int64_t row, bool deep,
                                    struct sw_round_check *out) SW_NODISCARD;

/* Read a section: at most `capacity` bytes; *length as committed. Errors: SW_NOT_FOUND (not
 * committed), SW_DAMAGED (checksum), SW_IO, SW_INTERNAL (capacity too small). */
enum sw_status sw_store_read(struct sw_store *store, int64_t row, enum sw_section section,
                             void *out, size_t capacity, size_t *length) SW_NODISCARD;
/* Read `bytes` of a section from byte `from` on. The checksum of the whole section is checked, without
 * memory for it. Errors: as above; SW_DAMAGED when the section ends before. */
enum sw_status sw_store_read_part(struct sw_store *store, int64_t row, enum sw_section section,
                                  size_t from, void *out, size_t bytes) SW_NODISCARD;
enum sw_status sw_store_read_record(struct sw_store *store, int64_t row,
                                    struct sw_round_record *out) SW_NODISCARD;

/* XXH3-128 over result checksums and status codes of all rounds in plan order; rounds that are not
 * committed count as absent. Times and places are not part of it. */
enum sw_status sw_store_digest(struct sw_store *store, struct sw_digest *out) SW_NODISCARD;

/* One ticket as a file of its own: theta0, mask, trained weights, by parameter name, with
 * provenance. Errors: SW_NOT_FOUND, SW_DAMAGED, SW_IO (also when `out_path` exists). */
enum sw_status sw_store_export(struct sw_store *store, int64_t row,
                               const char *out_path) SW_NODISCARD;

/* Human-readable schema: every dataset and column with type, unit and description. */
enum sw_status sw_store_describe_schema(struct sw_text *out) SW_NODISCARD;

/* ---- lock, heartbeat, exit file ------------------------------------------------------------- */

/* STORE.lock keeps a second writer out and tells `status` that the job lives. */
struct sw_store_lock_info {
    char host[64];
    int64_t pid;
    char job[32];        /* Slurm job id, "" outside Slurm */
    double started;      /* wall seconds */
    double heartbeat;    /* wall seconds of the last beat */
    int64_t rounds_done; /* when it beat */
    int64_t workers;
};
#define SW_LOCK_STALE_SECONDS 30.0 /* a lock whose heartbeat is older belongs to a dead job */

struct sw_store_lock; /* opaque */
/* Take the lock, replacing a dead owner's (same host and no such process, or a stale heartbeat).
 * Errors: SW_IO with the owner's host, pid, job and last beat. */
enum sw_status sw_store_lock_take(const char *store_path, struct sw_store_lock **out) SW_NODISCARD;
/* Beat; at most once per second is written. Errors: SW_IO when the lock is not ours any more. */
enum sw_status sw_store_lock_beat(struct sw_store_lock *lock, int64_t rounds_done,
                                  int64_t workers) SW_NODISCARD;
void sw_store_lock_release(struct sw_store_lock **lock); /* removes the file */
/* False when another run has taken it over, as from a dead owner. */
bool sw_store_lock_is_held(const struct sw_store_lock *lock);
/* Look without taking. SW_NOT_FOUND when there is no lock. *alive: the owner is believed to run. */
enum sw_status sw_store_lock_peek(const char *store_path, struct sw_store_lock_info *out,
                                  bool *alive) SW_NODISCARD;

/* STORE.exit holds the real exit code of the last run (mpirun's is 0 under --enable-recovery). A run that
 * begins removes it and reserves its room (STORE.exit.next): the code is written on a full disk, too. */
void sw_store_exit_clear(const char *store_path);
void sw_store_exit_write(const char *store_path, int exit_code);
