package sidecar

// Len counts the values, including those whose keys are gone but not yet
// cleaned up.
func (m *Map[K, V]) Len() (n int) {
	id := m.id.Load()
	for i := range shards {
		s := &shards[i]
		s.mu.Lock()
		if t := s.table.Load(); t != nil {
			for j := range *t {
				if e := (*t)[j].Load(); e != nil && e.addr != 0 && e.find(id) != nil {
					n++
				}
			}
		}
		s.mu.Unlock()
	}
	return n
}
