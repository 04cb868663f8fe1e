# Says now and then how far a "go build -v" is. In go its words; out come one
# line for every hundred packages, and everything that is not a package. The
# variable total is how many packages there are at most.
/^[a-zA-Z0-9._\/-]+$/ {
	if (++n % 100 == 0) { printf "  compiled %d of about %d packages\n", n, total; fflush() }
	next
}
{ print; fflush() }
