/* A small store for test_store_rounds, and what is expected of its rows. */
#pragma once

#include <fcntl.h>
#include <hdf5.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include "small_sweep.h"
#include "test_main.h"
#include "sweepstake/comm.h"
#include "sweepstake/mask.h"
#include "sweepstake/memory.h"

struct fixture {
    char path[256];
    struct sw_sweep sweep;
    struct sw_store *store;
};

static void set_up(struct fixture *fixture) {
    struct sw_store_identity identity = sw_small_identity();
    snprintf(fixture->path, sizeof fixture->path, "%s/store.h5", sw_test_folder());
    sw_small_sweep(&fixture->sweep, 2, 0.8);
    SW_TEST_OK(sw_store_create(fixture->path, &fixture->sweep, &identity));
    SW_TEST_OK(sw_store_open(fixture->path, SW_STORE_WRITE, &fixture->store));
}

static void tear_down(struct fixture *fixture) {
    sw_store_close(&fixture->store);
    sw_sweep_fini(&fixture->sweep);
}

static enum sw_status commit_kind(struct fixture *fixture, int64_t row, enum sw_small_kind kind,
                                  int place) {
    struct sw_small_round round;
    sw_small_round_make(&fixture->sweep, row, kind, place, &round);
    enum sw_status status = sw_store_commit(fixture->store, row, &round.payload, row % 2 == 0);
    sw_small_round_fini(&round);
    return status;
}

static void commit_all(struct fixture *fixture) {
    for (int64_t row = 0; row < SW_SMALL_ROUNDS; row++)
        SW_TEST_OK(commit_kind(fixture, row, SW_SMALL_OK, 0));
}

static struct sw_round_check check_row(struct fixture *fixture, int64_t row, bool deep) {
    struct sw_round_check check = {0};
    SW_TEST_OK(sw_store_check_round(fixture->store, row, deep, &check));
    return check;
}

static void expect_state(struct fixture *fixture, int64_t row, enum sw_round_state state) {
    struct sw_round_check check = check_row(fixture, row, true);
    if (check.state != state)
        fprintf(stderr, "  row %lld is in state %d, not %d: %s\n", (long long) row,
                (int) check.state, (int) state, check.detail);
    CU_ASSERT_EQUAL(check.state, state);
}

static off_t place_of(const struct fixture *fixture, const char *name) {
    char path[64];
    snprintf(path, sizeof path, "/%s", name);
    hid_t file = H5Fopen(fixture->path, H5F_ACC_RDONLY, H5P_DEFAULT);
    hid_t set = H5Dopen2(file, path, H5P_DEFAULT);
    off_t at = (off_t) H5Dget_offset(set);
    H5Dclose(set);
    H5Fclose(file);
    return at;
}

static off_t slab_of(const struct fixture *fixture, int64_t row, enum sw_section section) {
    return place_of(fixture, sw_section_name(section)) +
           (off_t) ((size_t) fixture->sweep.rounds[row].offset[section] *
                    sw_section_element_bytes(section));
}

static void flip(const struct fixture *fixture, off_t at) {
    char byte;
    int fd = open(fixture->path, O_RDWR);
    SW_TEST_OK(sw_file_pread(fd, &byte, 1, at, fixture->path));
    byte ^= 0x20;
    SW_TEST_OK(sw_file_pwrite(fd, &byte, 1, at, fixture->path));
    close(fd);
}
