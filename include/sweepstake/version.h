/* Module: base
 * Purpose: the version of this program; the number stands in the Makefile. */
#pragma once

/* "0.1.0". Never NULL. */
const char *sw_version(void);
