package storetest

// acquire takes a slot, which must be free and leave remaining. It is released when
// the case ends.
func (k *kit) acquire(key string, limit, remaining int64) (release func()) {
	k.Helper()
	release, v, err := k.slots.Acquire(k.Context(), key, limit)
	if err != nil {
		k.Fatalf("Acquire: %v", err)
	}
	if release == nil || !v.Allowed || v.Limit != limit || v.Remaining != remaining {
		k.fail("a slot of %d: release is nil: %v, %+v, want %d remaining", limit, release == nil, v, remaining)
	}
	if release == nil {
		return func() {}
	}
	k.Cleanup(release)
	return release
}

// occupied checks that no slot is free.
func (k *kit) occupied(key string, limit int64) {
	k.Helper()
	release, v, err := k.slots.Acquire(k.Context(), key, limit)
	if err != nil {
		k.Fatalf("Acquire: %v", err)
	}
	if release != nil {
		k.Cleanup(release)
	}
	if release != nil || v.Allowed || v.Remaining != 0 || v.Limit != limit || v.RetryAfter != 0 {
		k.fail("a slot where all of %d are held: release is nil: %v, %+v", limit, release == nil, v)
	}
}

// free waits until a slot is free, and takes it.
func (k *kit) free(key string, limit int64) (release func()) {
	k.Helper()
	if !k.eventually(func() bool {
		var err error
		if release, _, err = k.slots.Acquire(k.Context(), key, limit); err != nil {
			k.Fatalf("Acquire: %v", err)
		}
		return release != nil
	}) {
		k.fail("a slot of %d that was released is not free", limit)
		return func() {}
	}
	k.Cleanup(release)
	return release
}

// frees waits until all slots are free, and no more than these.
func (k *kit) frees(key string, limit int64) {
	k.Helper()
	for range limit {
		k.free(key, limit)
	}
	k.occupied(key, limit)
}
