package redact

// isHex reports whether s has 32 hexadecimal digits in a row.
func isHex(s string) bool {
	n := 0
	for i := range len(s) {
		if c := s[i]; '0' <= c && c <= '9' || 'a' <= c|0x20 && c|0x20 <= 'f' {
			if n++; n == 32 {
				return true
			}
		} else {
			n = 0
		}
	}
	return false
}

// minBase32 is less than the 52 characters of 32 random bytes. That none of so many is a
// digit, as in words written in capitals, happens by chance once in 30,000.
const minBase32 = 50

// isBase32 reports whether s has minBase32 characters in a row that look like random
// base32.
func isBase32(s string) bool {
	n, digit := 0, false
	for i := range len(s) {
		switch c := s[i]; {
		case 'A' <= c && c <= 'Z':
			n++
		case '2' <= c && c <= '7':
			n++
			digit = true
		default:
			n, digit = 0, false
		}
		if n >= minBase32 && digit {
			return true
		}
	}
	return false
}

// In random base64, two of three characters differ in kind (upper case, lower case,
// digit) from the one before. In names that people make up it is one of three.
const (
	minRandom  = 40
	minChanges = 18
)

// isRandom reports whether any minRandom bytes of s look random.
func isRandom(s string) bool {
	var seen [4]int // by kind; 0 is none
	var changed [minRandom]bool
	var kinds [minRandom]uint8
	changes, before := 0, uint8(0)
	for i := range len(s) {
		at := i % minRandom
		if i >= minRandom {
			seen[kinds[at]]--
			if changed[at] {
				changes--
			}
		}
		kind := uint8(0)
		switch c := s[i]; {
		case 'a' <= c && c <= 'z':
			kind = 1
		case 'A' <= c && c <= 'Z':
			kind = 2
		case '0' <= c && c <= '9':
			kind = 3
		}
		seen[kind]++
		kinds[at], changed[at] = kind, kind != 0 && before != 0 && kind != before
		if changed[at] {
			changes++
		}
		if kind != 0 {
			before = kind
		}
		if i >= minRandom-1 && changes >= minChanges && seen[1] > 0 && seen[2] > 0 && seen[3] > 0 {
			return true
		}
	}
	return false
}
