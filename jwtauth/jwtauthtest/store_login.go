package jwtauthtest

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

const (
	many   = jwtauth.ManyLogins
	newest = jwtauth.NewestLogin
	oldest = jwtauth.OldestLogin
)

var loginCases = []storeCase{
	{"Many", "as many as there are valid tokens", func(k *storeKit) {
		for i := range 10 {
			l := k.login(many, fmt.Sprint(i), -time.Duration(i)*time.Second)
			k.admit("a login", l, jwtauth.Admitted)
			l.Subject = ""
			k.admit("a login without a subject", l, jwtauth.Admitted)
		}
		k.admit("the first login", k.login(many, "0", 0), jwtauth.Admitted)
	}},
	{"Newest", "a newer login ends the older one, whose sockets are told code replaced, on all nodes, and which stays out", func(k *storeKit) {
		first, second := k.login(newest, "a", 0), k.login(newest, "b", time.Second)
		k.admit("the first", first, jwtauth.Admitted)
		k.admit("the first again", first, jwtauth.Admitted)
		k.admit("the second", second, jwtauth.Admitted)
		k.admit("the first after it", first, jwtauth.Replaced)
		k.admit("the second again", second, jwtauth.Admitted)
		k.admit("one that was issued before both", k.login(newest, "c", -time.Second), jwtauth.Replaced)
		first.ID, first.IssuedAt = k.tag+"later", k.now.Add(time.Minute)
		k.admit("a later token of the first login", first, jwtauth.Replaced)
		k.admit("the second in the end", second, jwtauth.Admitted)
	}},
	{"NewestTie", "A login is newer if its token was issued later or, within one time of issue, if it came later; what has been replaced stays so.", func(k *storeKit) {
		for i := range 5 {
			k.admit("one of the same second", k.login(newest, fmt.Sprint(i), 0), jwtauth.Admitted)
		}
		for i := range 4 {
			k.admit("one that came earlier", k.login(newest, fmt.Sprint(i), 0), jwtauth.Replaced)
		}
		k.admit("the last", k.login(newest, "4", 0), jwtauth.Admitted)
	}},
	{"NewestNoTime", "a token without that time counts as issued long ago", func(k *storeKit) {
		untold := func(name string) jwtauth.Login {
			l := k.login(newest, name, 0)
			l.IssuedAt = time.Time{}
			return l
		}
		k.admit("the first of two that do not say", untold("a"), jwtauth.Admitted)
		k.admit("the second", untold("b"), jwtauth.Admitted)
		k.admit("the first again", untold("a"), jwtauth.Replaced)
		k.admit("one that says", k.login(newest, "c", -1000*time.Hour), jwtauth.Admitted)
		k.admit("another that does not", untold("d"), jwtauth.Replaced)
	}},
	{"NewestExpired", "Until is how long a Store needs to remember the login: the time after which the token is refused anyway.", func(k *storeKit) {
		older, newer, end := k.login(newest, "a", -2*time.Second), k.login(newest, "b", 0), soon()
		seen := k.login(newest, "c", -time.Second)
		newer.Until = end
		k.admit("the newer", newer, jwtauth.Admitted)
		if k.verdict(seen) != jwtauth.Replaced && time.Now().Before(end) {
			k.fail("an older login is not Replaced")
			return
		}
		// A login that nobody has seen before the end: each try uses a new name.
		n := 0
		if !k.eventually(func() bool {
			n++
			older.Name = k.tag + fmt.Sprint(n)
			return k.verdict(older) == jwtauth.Admitted
		}) {
			k.fail("a login that has ended is remembered")
		}
		if n > 1 {
			k.says = "what has been replaced stays so"
			k.admit("what was Replaced", seen, jwtauth.Replaced)
		}
	}},
	{"NewestEnded", "A login that has ended never replaces one that lasts.", func(k *storeKit) {
		// The store is asked about a socket that outlives its token, too.
		lasts, ended := k.login(newest, "a", 0), k.login(newest, "b", time.Second)
		ended.Until = k.now.Add(-time.Minute)
		k.admit("one that has ended, where there is none", ended, jwtauth.Admitted)
		k.admit("one that lasts", lasts, jwtauth.Admitted)
		k.admit("one that has ended", ended, jwtauth.Replaced)
		k.admit("the one that lasts again", lasts, jwtauth.Admitted)
	}},
	{"NewestRevoked", "a revoked token is Revoked whatever else it is", func(k *storeKit) {
		l, thief := k.login(newest, "a", 0), k.login(newest, "b", time.Second)
		k.admit("the first", l, jwtauth.Admitted)
		k.revoke(jwtauth.ByID(thief.ID))
		k.admit("the revoked", thief, jwtauth.Revoked)
		k.admit("the first is not replaced by it", l, jwtauth.Admitted)
		k.admit("a second", k.login(newest, "c", 0), jwtauth.Admitted)
		k.revoke(jwtauth.ByID(l.ID))
		k.admit("revoked and replaced", l, jwtauth.Revoked)
	}},
	{"OneLogin", "A login is not a connection: all sockets with one token, or with tokens of one session (the claim sid), are one login", func(k *storeKit) {
		for _, p := range []jwtauth.LoginPolicy{newest, oldest} {
			token := func(n time.Duration) jwtauth.Login {
				l := k.login(p, fmt.Sprint("session ", p), n*time.Second)
				l.Issuer = fmt.Sprint(p)
				l.ID += fmt.Sprint(n)
				return l
			}
			for _, n := range []time.Duration{5, 7, 6, 5, 7, 1} {
				k.admit("a token of the session", token(n), jwtauth.Admitted)
			}
		}
		// The newest of its tokens says when it was issued.
		other := k.login(newest, "other", 6*time.Second)
		other.Issuer = fmt.Sprint(newest)
		k.admit("a login between its first token and its last", other, jwtauth.Replaced)
	}},
	{"OneLoginUntil", "Occupied by an older login of the user, which has neither expired nor been revoked", func(k *storeKit) {
		// A login lasts as long as one of its tokens, whichever came last.
		first, other, end := k.login(oldest, "a", 0), k.login(oldest, "b", 0), soon()
		k.admit("a token that lasts", first, jwtauth.Admitted)
		for _, issued := range []time.Duration{-time.Second, time.Second} {
			first.ID, first.IssuedAt, first.Until = k.tag+issued.String(), k.now.Add(issued), end
			k.admit("a token that does not", first, jwtauth.Admitted)
		}
		ended := k.login(oldest, "c", 0)
		ended.Issuer, ended.Until = "other", end
		k.admit("another user", ended, jwtauth.Admitted)
		ended.Name, ended.Until = k.tag+"d", k.now.Add(time.Hour)
		k.holdsUntil(end, ended, jwtauth.Occupied, jwtauth.Admitted)
		k.admit("when the short ones have expired", other, jwtauth.Occupied)
	}},
	{"OldestRevokedOlderToken", "Occupied by an older login of the user, which has neither expired nor been revoked", func(k *storeKit) {
		older, newer := k.login(oldest, "a", 0), k.login(oldest, "a", time.Second)
		newer.ID += " newer"
		k.admit("the newer token of a login", newer, jwtauth.Admitted)
		k.admit("the older", older, jwtauth.Admitted)
		k.revoke(jwtauth.ByID(newer.ID))
		k.admit("the older once the newer is revoked", older, jwtauth.Admitted)
		k.admit("another login then", k.login(oldest, "b", 0), jwtauth.Occupied)
	}},
	{"Oldest", "while a login lasts, until the last of its tokens expires or the newest is revoked, another one is refused", func(k *storeKit) {
		first := k.login(oldest, "a", 0)
		k.admit("the first", first, jwtauth.Admitted)
		for _, issued := range []time.Duration{-time.Second, 0, time.Second} {
			k.admit("another", k.login(oldest, fmt.Sprint(issued), issued), jwtauth.Occupied)
		}
		k.admit("the first again", first, jwtauth.Admitted)
	}},
	{"OldestExpired", "Occupied by an older login of the user, which has neither expired nor been revoked", func(k *storeKit) {
		first, second, end := k.login(oldest, "a", 0), k.login(oldest, "b", time.Second), soon()
		first.Until = end
		k.admit("the first", first, jwtauth.Admitted)
		k.holdsUntil(end, second, jwtauth.Occupied, jwtauth.Admitted)
		first.Until = k.now.Add(time.Hour)
		k.admit("the first after the second", first, jwtauth.Occupied)
	}},
	{"OldestRevokedByID", "Occupied by an older login of the user, which has neither expired nor been revoked", func(k *storeKit) {
		first, second, third := k.login(oldest, "a", 0), k.login(oldest, "b", -time.Second), k.login(oldest, "c", 0)
		k.admit("the first", first, jwtauth.Admitted)
		k.admit("the second while the first lasts", second, jwtauth.Occupied)
		k.revoke(jwtauth.ByID(first.ID))
		k.admit("the second after the revocation", second, jwtauth.Admitted)
		k.admit("the first", first, jwtauth.Revoked)
		k.admit("a third", third, jwtauth.Occupied)
		k.revoke(jwtauth.ByID(second.ID))
		second.ID += "2"
		k.admit("another token of the second login", second, jwtauth.Admitted)
		k.admit("the third again", third, jwtauth.Occupied)
	}},
	{"OldestRevokedBySubject", "Occupied by an older login of the user, which has neither expired nor been revoked", func(k *storeKit) {
		first, second := k.login(oldest, "a", 0), k.login(oldest, "b", time.Second)
		k.admit("the first", first, jwtauth.Admitted)
		k.revoke(jwtauth.IssuedBefore(first.Subject, k.now))
		k.admit("after a revocation of older ones", second, jwtauth.Occupied)
		k.revoke(jwtauth.IssuedBefore(first.Subject, k.now.Add(time.Second)))
		k.admit("the second after the revocation", second, jwtauth.Admitted)
		k.admit("the first", first, jwtauth.Revoked)
	}},
	{"Users", "it also makes l the login of its user", func(k *storeKit) {
		// Issuer and subject together are the user, wherever the split is.
		for _, p := range []jwtauth.LoginPolicy{newest, oldest} {
			users := [][2]string{{"", "abc"}, {"a", "bc"}, {"ab", "c"}, {"ab:", "c"}, {"ab", ":c"}, {"a\x00b", "c"}, {"a", "b\x00c"}}
			for round := range 2 {
				for i, u := range users {
					l := k.login(p, fmt.Sprint(i), time.Duration(-i)*time.Second)
					l.Issuer, l.Subject = k.tag+fmt.Sprint(p)+u[0], u[1]
					k.admit(fmt.Sprintf("round %d, user %q", round, u), l, jwtauth.Admitted)
				}
			}
		}
	}},
	{"LoginOddBytes", "A login is newer if its token was issued later or, within one time of issue, if it came later; what has been replaced stays so.", func(k *storeKit) {
		for _, s := range odd {
			l := k.login(newest, "", 0)
			l.Issuer, l.Subject, l.Name = k.tag+s, s, s
			k.admit(fmt.Sprintf("user %.20q", s), l, jwtauth.Admitted)
			l = k.login(newest, "", 0)
			l.Name = s
			k.admit(fmt.Sprintf("name %.20q", s), l, jwtauth.Admitted)
		}
		for _, s := range odd[:len(odd)-1] {
			l := k.login(newest, "", 0)
			l.Name = s
			k.admit(fmt.Sprintf("name %.20q", s), l, jwtauth.Replaced)
		}
	}},
	{"Concurrent", "in one step with the decision", func(k *storeKit) {
		for _, p := range []jwtauth.LoginPolicy{many, newest, oldest} {
			for _, spread := range []int{1, 1000} { // seconds of issue
				k.concurrent(p, spread)
			}
		}
	}},
}

// concurrent makes 100 logins of one user at once, and then repeats each.
func (k *storeKit) concurrent(p jwtauth.LoginPolicy, spread int) {
	k.Helper()
	logins := make([]jwtauth.Login, 100)
	last := time.Time{}
	for i := range logins {
		l := k.login(p, fmt.Sprint(i), time.Duration(rand.IntN(spread))*time.Second)
		l.Issuer = fmt.Sprint(p, spread)
		logins[i] = l
		if l.IssuedAt.After(last) {
			last = l.IssuedAt
		}
	}
	var admitted atomic.Int32
	var wg sync.WaitGroup
	for _, l := range logins {
		wg.Go(func() {
			v, err := k.node().Admit(k.Context(), l)
			switch {
			case err != nil:
				k.Errorf("Admit: %v", err)
			case v == jwtauth.Admitted:
				admitted.Add(1)
			}
		})
	}
	wg.Wait()
	if n := admitted.Load(); n < 1 || p == many && n != 100 || p == oldest && n != 1 {
		k.fail("policy %d: %d of 100 admitted", p, n)
	}
	if p == many {
		return
	}
	want := map[jwtauth.LoginPolicy]jwtauth.Verdict{newest: jwtauth.Replaced, oldest: jwtauth.Occupied}[p]
	current := 0
	for _, l := range logins {
		switch v := k.verdict(l); {
		case v == jwtauth.Admitted:
			current++
			if p == newest && !l.IssuedAt.Equal(last) {
				k.fail("the current login was issued before another that came")
			}
		case v != want:
			k.fail("policy %d: %s", p, verdicts[v])
		}
	}
	if current != 1 {
		k.fail("policy %d: %d logins are current", p, current)
	}
}
