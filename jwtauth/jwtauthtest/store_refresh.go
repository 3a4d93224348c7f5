package jwtauthtest

import (
	"fmt"
	"sync"
	"time"

	"github.com/sioware/sioware/jwtauth"
)

// What jwtauth/store.go says about refreshed tokens.
const (
	saysJoins    = "If it is one of the names of the user's login, Name is added to them, and no change is reported"
	saysReplaced = "if it was replaced, Name is replaced too"
	saysOther    = "otherwise the login is judged like any other"
	saysBears    = "A token with one of these names is Admitted, unless it is revoked, whenever it was issued."
	saysEach     = "A login keeps each name until the latest Until that came with it."
	saysNewest   = "Of the tokens of one login the newest counts; all its names are replaced together."
	saysOldest   = "while a login lasts, until the last of its tokens expires or the newest is revoked, another one is refused"
)

// refresh returns next as a login that replaces before.
func refresh(before, next jwtauth.Login) jwtauth.Login {
	next.Replaces = before.Name
	return next
}

var onePerUser = map[string]jwtauth.LoginPolicy{"newest": newest, "oldest": oldest}

// family refreshes one login in three browser tabs: two refresh the token that
// they share, one the new token of another. It returns the tokens in order; they
// were issued at a, a+5s, a+3s and a+6s.
func (k *storeKit) family(p jwtauth.LoginPolicy, name string, at time.Duration) [4]jwtauth.Login {
	k.Helper()
	var tokens [4]jwtauth.Login
	for i, after := range []time.Duration{0, 5, 3, 6} {
		tokens[i] = k.login(p, fmt.Sprint(name, i), at+after*time.Second)
	}
	k.admit("the first token", tokens[0], jwtauth.Admitted)
	k.admit("its refresh", refresh(tokens[0], tokens[1]), jwtauth.Admitted)
	k.admit("its refresh by another tab, to a token issued before", refresh(tokens[0], tokens[2]), jwtauth.Admitted)
	k.admit("a refresh of that", refresh(tokens[2], tokens[3]), jwtauth.Admitted)
	return tokens
}

// passes waits until the store's clock has passed end.
func (k *storeKit) passes(end time.Time) {
	k.Helper()
	l := k.login(oldest, "first", 0)
	l.Issuer, l.Until = "passes", end // another user
	k.admit("a login that ends", l, jwtauth.Admitted)
	l.Name, l.Until = k.tag+"second", k.now.Add(time.Hour)
	k.holdsUntil(end, l, jwtauth.Occupied, jwtauth.Admitted)
}

var refreshCases = []storeCase{
	{"RefreshOneLogin", saysBears, func(k *storeKit) {
		for name, p := range onePerUser {
			w, stop := k.watch(k.a)
			tokens := k.family(p, name, 0)
			for round := range 2 {
				for i, l := range tokens {
					k.admit(fmt.Sprintf("%s: round %d, token %d", name, round, i), l, jwtauth.Admitted)
					l.ID, l.IssuedAt = l.ID+" older", time.Time{}
					k.admit(fmt.Sprintf("%s: round %d, a token with name %d and no time", name, round, i), l, jwtauth.Admitted)
				}
			}
			k.admit("the same refresh again", refresh(tokens[0], tokens[1]), jwtauth.Admitted)
			k.admit("a refresh from the newest to the first", refresh(tokens[3], tokens[0]), jwtauth.Admitted)
			k.says = saysJoins
			k.expect(w)
			stop()
			k.says = saysBears
			k.revoke(jwtauth.ByID(tokens[1].ID))
			k.admit(name+": a token of it that was revoked", tokens[1], jwtauth.Revoked)
			k.admit(name+": a refresh to it", refresh(tokens[0], tokens[1]), jwtauth.Revoked)
			k.admit(name+": another token then", tokens[0], jwtauth.Admitted)
			k.revoke(jwtauth.IssuedBefore(k.subject(), k.now.Add(4*time.Second)))
			k.admit(name+": one that was revoked by subject", tokens[2], jwtauth.Revoked)
			k.admit(name+": one that was not", tokens[3], jwtauth.Admitted)
			k.tag += name // another user
		}
	}},
	{"RefreshTakeover", saysNewest, func(k *storeKit) {
		tokens := k.family(newest, "a", 0)
		w, _ := k.watch(k.b)
		between, other := k.login(newest, "b", 4*time.Second), k.login(newest, "c", 7*time.Second)
		k.admit("a login older than the newest token", between, jwtauth.Replaced)
		k.expect(w)
		k.admit("a newer login", other, jwtauth.Admitted)
		k.expect(w, jwtauth.Change{Login: other})
		for i, l := range tokens {
			l.ID, l.IssuedAt = l.ID+" later", k.now.Add(time.Minute)
			k.admit(fmt.Sprintf("name %d of the login that was replaced", i), l, jwtauth.Replaced)
			k.says = saysReplaced
			next := k.login(newest, fmt.Sprint("d", i), time.Minute)
			k.admit(fmt.Sprintf("a refresh of name %d", i), refresh(l, next), jwtauth.Replaced)
			k.admit("what it was refreshed to, by itself", next, jwtauth.Replaced)
		}
		next := k.login(newest, "e", 8*time.Second)
		k.says = saysJoins
		k.admit("a refresh of the newer login", refresh(other, next), jwtauth.Admitted)
		k.admit("the newer login", other, jwtauth.Admitted)
		k.expect(w)
		k.says = saysReplaced
		k.admit("a name that was replaced does not join it", refresh(other, between), jwtauth.Replaced)
	}},
	{"RefreshNamesEnd", saysEach, func(k *storeKit) {
		first, second, end := k.login(newest, "a", 0), k.login(newest, "b", 2*time.Second), soon()
		first.Until = end
		k.admit("the first token", first, jwtauth.Admitted)
		k.admit("its refresh", refresh(first, second), jwtauth.Admitted)
		// In a login of another user the short name gets a longer Until.
		longer := k.login(newest, "a", 0)
		longer.Issuer, longer.Until = "other", end
		k.admit("a short one", longer, jwtauth.Admitted)
		longer.Until = k.now.Add(time.Hour)
		k.admit("it lasts longer", longer, jwtauth.Admitted)
		last := k.login(newest, "b", time.Second)
		last.Issuer = longer.Issuer
		k.admit("its refresh", refresh(longer, last), jwtauth.Admitted)
		shorter := longer
		shorter.ID, shorter.Until = k.tag+"shorter", end
		k.admit("a short one with a name that lasts", shorter, jwtauth.Admitted)
		k.passes(end)
		first.Until = k.now.Add(time.Hour)
		k.admit("what ended is another, and older", first, jwtauth.Replaced)
		k.admit("the name that lasts", second, jwtauth.Admitted)
		k.admit("the name that lasts longer", longer, jwtauth.Admitted)
	}},
	{"RefreshOfEnded", saysOther, func(k *storeKit) {
		first, second, end := k.login(newest, "a", 0), k.login(newest, "b", 2*time.Second), soon()
		first.Until = end
		k.admit("the first token", first, jwtauth.Admitted)
		k.admit("its refresh", refresh(first, second), jwtauth.Admitted)
		k.passes(end)
		k.admit("another refresh, too late and older", refresh(first, k.login(newest, "c", time.Second)), jwtauth.Replaced)
		k.admit("the login", second, jwtauth.Admitted)
		k.admit("another refresh, newer", refresh(first, k.login(newest, "d", 3*time.Second)), jwtauth.Admitted)
		k.admit("the login after it", second, jwtauth.Replaced)
	}},
	{"RefreshMarksEnd", saysEach, func(k *storeKit) {
		// Each name stays out for as long as its own tokens.
		short, long, end := k.login(newest, "a", 0), k.login(newest, "b", time.Second), soon()
		short.Until = end
		k.admit("the first token", short, jwtauth.Admitted)
		k.admit("its refresh", refresh(short, long), jwtauth.Admitted)
		k.admit("a newer login", k.login(newest, "c", 2*time.Second), jwtauth.Admitted)
		k.says = "what has been replaced stays so"
		short.IssuedAt = k.now.Add(time.Hour)
		k.admit("the short name before its end", short, jwtauth.Replaced)
		k.passes(end)
		short.Until = k.now.Add(time.Hour)
		k.admit("the short name after its end", short, jwtauth.Admitted)
		long.IssuedAt = short.IssuedAt
		k.admit("the name that lasts", long, jwtauth.Replaced)
	}},
	{"RefreshOldest", saysOldest, func(k *storeKit) {
		tokens := k.family(oldest, "a", 0)
		other := k.login(oldest, "b", 0)
		k.admit("another login", other, jwtauth.Occupied)
		k.says = saysOther
		k.admit("a refresh of another login", refresh(other, k.login(oldest, "c", time.Minute)), jwtauth.Occupied)
		k.says = saysOldest
		for i, l := range tokens[:3] {
			k.revoke(jwtauth.ByID(l.ID))
			k.admit(fmt.Sprintf("when token %d is revoked, not the newest", i), other, jwtauth.Occupied)
		}
		k.revoke(jwtauth.ByID(tokens[3].ID))
		k.admit("when the newest is revoked", other, jwtauth.Admitted)
		k.admit("what it was refreshed to, too late", refresh(tokens[0], k.login(oldest, "d", time.Minute)), jwtauth.Occupied)
	}},
	{"RefreshOldestRevoked", saysBears, func(k *storeKit) {
		// The place is free when the newest is revoked, but the others may retake it.
		tokens, other := k.family(oldest, "a", 0), k.login(oldest, "b", 0)
		k.revoke(jwtauth.ByID(tokens[3].ID))
		k.admit("an older token", tokens[0], jwtauth.Admitted)
		k.admit("another login then", other, jwtauth.Occupied)
		k.revoke(jwtauth.ByID(tokens[0].ID))
		k.says = saysJoins
		k.admit("a refresh, to the oldest", refresh(tokens[0], k.login(oldest, "c", -time.Minute)), jwtauth.Admitted)
		k.admit("another login after it", other, jwtauth.Occupied)
		k.says = saysBears
		k.admit("the rest of the login", tokens[1], jwtauth.Admitted)
		k.revoke(jwtauth.IssuedBefore(other.Subject, k.now.Add(time.Minute)))
		other.IssuedAt = k.now.Add(time.Minute)
		k.says = saysOldest
		k.admit("another login when all are revoked", other, jwtauth.Admitted)
	}},
	{"RefreshOldestUntil", saysOldest, func(k *storeKit) {
		// The last of the tokens to expire, which is not the newest, nor the first.
		short, end := [2]jwtauth.Login{k.login(oldest, "a", 0), k.login(oldest, "c", time.Minute)}, soon()
		short[0].Until, short[1].Until = end, end
		last, lastEnd := k.login(oldest, "b", time.Second), end.Add(400*time.Millisecond)
		last.Until = lastEnd
		k.admit("the first token", short[0], jwtauth.Admitted)
		k.admit("its refresh, which lasts", refresh(short[0], last), jwtauth.Admitted)
		k.admit("a refresh of that, which does not", refresh(last, short[1]), jwtauth.Admitted)
		k.passes(end)
		k.holdsUntil(lastEnd, k.login(oldest, "d", 0), jwtauth.Occupied, jwtauth.Admitted)
	}},
	{"RefreshLost", saysOther, func(k *storeKit) {
		first, second := k.login(newest, "a", 0), k.login(newest, "b", time.Second)
		k.admit("where nothing is known", refresh(first, second), jwtauth.Admitted)
		k.admit("the old token, of which nothing was known", first, jwtauth.Replaced)
		k.admit("an older login", k.login(newest, "c", 0), jwtauth.Replaced)
		l := refresh(k.login(newest, "d", 0), k.login(newest, "e", 0))
		k.admit("of an unknown one, older than the current", l, jwtauth.Replaced)
	}},
	{"RefreshConcurrent", saysJoins, func(k *storeKit) {
		for name, p := range onePerUser {
			first := k.login(p, name, 0)
			k.admit("the first token", first, jwtauth.Admitted)
			var wg sync.WaitGroup
			all := make([]jwtauth.Login, 50)
			for i := range all {
				all[i] = k.login(p, fmt.Sprint(name, i), time.Duration(i%7)*time.Second)
				wg.Go(func() {
					for _, l := range []jwtauth.Login{refresh(first, all[i]), first, all[i]} {
						if v, err := k.node().Admit(k.Context(), l); v != jwtauth.Admitted || err != nil {
							k.fail("%s: %s, %v", name, verdicts[v], err)
						}
					}
				})
			}
			wg.Wait()
			for _, l := range all {
				k.admit(name+": one of many tokens", l, jwtauth.Admitted)
			}
			k.tag += name // another user
		}
	}},
}
