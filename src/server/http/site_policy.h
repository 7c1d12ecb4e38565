/*
 * Which addresses this server answers to, and which pages may make a browser change
 * something here. A page of a stranger's site can make a browser send requests:
 *
 *   under a name of the stranger's own that now points to this machine (DNS rebinding):
 *     the Host header shows it, so only known names are answered to, with 421 otherwise.
 *     Known are loopback names and numbers, the host that was listened on, the number of
 *     the address by which the connection came, and --allow-host
 *   from its own address (a form, a script): Origin and Sec-Fetch-Site show it, so what
 *     changes state is refused with 403 unless both name this server or --allow-origin
 *
 * No other page can read a reply, because no CORS header is ever sent, but to the pages
 * of --allow-origin.
 */
#ifndef BACKPROP_HTTP_SITE_POLICY_H
#define BACKPROP_HTTP_SITE_POLICY_H

#include "request_internal.h"

/* Checks the two lists of the configuration: names or numbers, and "https://host:port",
 * with commas between. NULL is an empty list. ERR_INVALID says what was expected. */
int site_policy_check_lists(const char *hosts, const char *origins, struct error *err)
    __attribute__((warn_unused_result));

/* True when `host_header` names one of `hosts`, a loopback address, or the host that was
 * listened on. The port does not count: a rebound name comes with the right one. */
bool site_policy_allows_host(const char *hosts, const char *listen_host,
                             const char *host_header);

/* True when a request that changes state may come from a page at `origin`; both headers
 * may be NULL, which is what programs other than browsers send. */
bool site_policy_allows_origin(const char *origins, const char *host_header,
                               const char *origin, const char *fetch_site);

/* All of it for a request. True when it may go on; replied to otherwise. Answers what a
 * browser asks beforehand for a page of --allow-origin. */
bool site_policy_check(struct request *request, const char *method)
    __attribute__((warn_unused_result));

#endif
