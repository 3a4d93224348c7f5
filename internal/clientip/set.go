package clientip

import (
	"errors"
	"fmt"
	"net/netip"
)

// Set is a list of address ranges, to allow, deny or trust. It is made by [NewSet]; nil
// is the empty Set. It is safe for concurrent use.
type Set []netip.Prefix

// NewSet returns a copy of prefixes without host bits, and with mapped prefixes as IPv4
// (1.2.3.0/24 for ::ffff:1.2.3.0/120). The error joins the faults of all entries and
// calls each name[index]. Faults are an invalid prefix, and a mapped one with fewer than
// 96 bits: that would contain all of IPv4, which must be written as 0.0.0.0/0.
func NewSet(name string, prefixes []netip.Prefix) (Set, error) {
	set := make(Set, 0, len(prefixes))
	var faults []error
	for i, p := range prefixes {
		addr, bits := p.Addr(), p.Bits()
		if addr.Is4In6() {
			addr, bits = addr.Unmap(), bits-96
		}
		switch {
		case !p.IsValid():
			faults = append(faults, fmt.Errorf("%s[%d]: invalid prefix", name, i))
		case bits < 0:
			faults = append(faults, fmt.Errorf("%s[%d]: %v covers all of IPv4: write 0.0.0.0/0 if that is meant", name, i, p))
		default:
			set = append(set, netip.PrefixFrom(addr, bits).Masked())
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return set, nil
}

// Contains reports whether one of the prefixes contains a. A mapped address counts as
// IPv4, and zones are ignored. No prefix contains the zero Addr.
func (s Set) Contains(a netip.Addr) bool {
	a = a.Unmap().WithZone("") // a netip.Prefix never contains an address with a zone
	for _, p := range s {
		if p.Contains(a) {
			return true
		}
	}
	return false
}
