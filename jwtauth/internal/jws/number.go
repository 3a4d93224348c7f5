package jws

// seconds returns the number written in JSON, rounded up or down. It is exact,
// unlike a float64: 1700000000.99999999 must not become a second later. ok is
// false if the number does not fit into an int64.
func seconds(literal []byte, up bool) (n int64, ok bool) {
	negative := literal[0] == '-'
	if negative {
		literal = literal[1:]
	}
	// The value is 0.d1d2d3... times 10 to the power of point, where the digits start at
	// the first one that is not 0. Both loops of this function go over the literal once.
	point, exponent := 0, 0
	end := len(literal)
	fraction, started := false, false
	for i, c := range literal {
		if c == 'e' || c == 'E' {
			end, exponent = i, parseExponent(literal[i+1:])
			break
		}
		if c == '.' {
			fraction = true
			continue
		}
		started = started || c != '0'
		switch {
		case started && !fraction:
			point++
		case !started && fraction:
			point--
		}
	}
	if !started {
		return 0, true
	}
	point += exponent

	// The digits before the point make the number, those after it round it.
	var whole uint64
	seen, rest := 0, false
	started = false
	for _, c := range literal[:end] {
		if c == '.' || c == '0' && !started {
			continue
		}
		started = true
		if seen >= point {
			rest = rest || c != '0'
			continue
		}
		if seen++; seen > 19 {
			return 0, false
		}
		whole = whole*10 + uint64(c-'0')
	}
	if point > 19 {
		return 0, false
	}
	for ; seen < point; seen++ {
		whole *= 10
	}
	// 19 digits fit into a uint64.
	if rest && negative != up {
		whole++ // away from zero
	}
	if whole > 1<<63-1 {
		return 0, false
	}
	n = int64(whole)
	if negative {
		n = -n
	}
	return n, true
}

// parseExponent returns the exponent after the letter. Values beyond those of any
// token are clamped, so that it cannot overflow.
func parseExponent(b []byte) int {
	negative := false
	if b[0] == '-' || b[0] == '+' {
		negative = b[0] == '-'
		b = b[1:]
	}
	n := 0
	for _, c := range b {
		n = min(n*10+int(c-'0'), 1<<20)
	}
	if negative {
		return -n
	}
	return n
}
