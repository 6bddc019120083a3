#include "wire.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A trainer's own socket travels to the server beside the file descriptors of its rank. */
#define MAX_CARRIED (SW_PROC_MAX_FDS + 1)

union ancillary {
    struct cmsghdr header; /* for its alignment */
    char bytes[CMSG_SPACE(MAX_CARRIED * sizeof(int))];
};

enum sw_status sw_proc_send(int socket, const void *bytes, size_t length, const int *fds,
                            int n_fds) {
    if (n_fds < 0 || n_fds > MAX_CARRIED)
        return SW_FAIL(SW_INTERNAL, "cannot send %d file descriptors, at most %d", n_fds,
                       MAX_CARRIED);
    union ancillary ancillary;
    memset(&ancillary, 0, sizeof ancillary);
    struct iovec part = {.iov_base = (void *) bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};
    if (n_fds > 0) {
        message.msg_control = ancillary.bytes;
        message.msg_controllen = CMSG_SPACE((size_t) n_fds * sizeof(int));
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN((size_t) n_fds * sizeof(int));
        memcpy(CMSG_DATA(header), fds, (size_t) n_fds * sizeof(int));
    }
    ssize_t sent;
    do {
        sent = sendmsg(socket, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (sent < 0 && errno == EINTR);
    if (sent == (ssize_t) length) return SW_OK;
    return SW_FAIL(SW_INTERNAL, "cannot send %zu bytes to another process: %s", length,
                   strerror(errno));
}

/* Copy the file descriptors that came with a message. */
static int take_fds(struct msghdr *message, int *fds) {
    int n_fds = 0;
    for (struct cmsghdr *header = CMSG_FIRSTHDR(message); header != NULL;
         header = CMSG_NXTHDR(message, header)) {
        if (header->cmsg_level != SOL_SOCKET || header->cmsg_type != SCM_RIGHTS) continue;
        n_fds = (int) ((header->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        memcpy(fds, CMSG_DATA(header), (size_t) n_fds * sizeof(int));
    }
    return n_fds;
}

enum sw_status sw_proc_receive(int socket, bool wait, enum sw_proc_received *what, void *bytes,
                               size_t length, int *fds, int *n_fds) {
    union ancillary ancillary;
    int carried[MAX_CARRIED];
    struct iovec part = {.iov_base = bytes, .iov_len = length};
    struct msghdr message = {.msg_iov = &part,
                             .msg_iovlen = 1,
                             .msg_control = ancillary.bytes,
                             .msg_controllen = sizeof ancillary.bytes};
    ssize_t got;
    do {
        got = recvmsg(socket, &message, MSG_CMSG_CLOEXEC | (wait ? 0 : MSG_DONTWAIT));
    } while (got < 0 && errno == EINTR);
    *n_fds = 0;
    if (got <= 0) {
        *what = got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK) ? SW_PROC_NOTHING
                                                                     : SW_PROC_CLOSED;
        return SW_OK;
    }
    int n = take_fds(&message, carried);
    if ((size_t) got != length || (message.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) {
        for (int i = 0; i < n; i++)
            (void) close(carried[i]);
        return SW_FAIL(SW_INTERNAL, "a message of %zd bytes came where %zu were expected", got,
                       length);
    }
    memcpy(fds, carried, (size_t) n * sizeof(int));
    *n_fds = n;
    *what = SW_PROC_MESSAGE;
    return SW_OK;
}
