/*
 * Copyright: the cfcr.kubernetes maintainers
 * GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
 * SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Holds a pod's namespaces open: reaps orphaned processes and waits for a signal to stop.
 */
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

static void stop(int number) {
	(void)number;
	_exit(0);
}

static void reap(int number) {
	(void)number;
	while (waitpid(-1, NULL, WNOHANG) > 0)
		;
}

int main(void) {
	struct sigaction stopping = {.sa_handler = stop};
	struct sigaction reaping = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};

	if (sigaction(SIGINT, &stopping, NULL) || sigaction(SIGTERM, &stopping, NULL) || sigaction(SIGCHLD, &reaping, NULL))
		return 1;
	for (;;)
		pause();
}
