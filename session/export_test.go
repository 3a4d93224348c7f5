package session

// Erasures returns how many sessions are being erased in the background.
func Erasures(m *Manager) int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.erasures
}

// Seats returns how many sockets all Sessions have.
func Seats(m *Manager) (n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, all := range m.live.byKey {
		for _, s := range all {
			n += len(s.seats)
		}
	}
	return n
}

// Live returns how many Sessions have sockets, by key and by cookie.
func Live(m *Manager) (keys, cookies int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.live.byKey), len(m.live.byCookie)
}
