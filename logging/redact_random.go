package logging

// redactHex reports whether 32 characters in a row are hexadecimal digits.
func redactHex(s string) bool {
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

// redactBase32Min is less than the 52 characters that 32 random bytes have. That none of
// so many is a digit, as in what is written in capitals, happens by chance once in 30,000.
const redactBase32Min = 50

// redactBase32 reports whether as many characters in a row look like random base32.
func redactBase32(s string) bool {
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
		if n >= redactBase32Min && digit {
			return true
		}
	}
	return false
}

// In random base64 two of three characters are of another kind (upper case, lower
// case, digit) than the one before. In names that people make it is one of three.
const (
	redactRandomMin     = 40
	redactRandomChanges = 18
)

// redactRandom reports whether any redactRandomMin bytes of s look random.
func redactRandom(s string) bool {
	var seen [4]int // by kind; 0 is none
	var changed [redactRandomMin]bool
	var kinds [redactRandomMin]uint8
	changes, before := 0, uint8(0)
	for i := range len(s) {
		at := i % redactRandomMin
		if i >= redactRandomMin {
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
		if i >= redactRandomMin-1 && changes >= redactRandomChanges && seen[1] > 0 && seen[2] > 0 && seen[3] > 0 {
			return true
		}
	}
	return false
}
