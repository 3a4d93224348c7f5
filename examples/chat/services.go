package main

import (
	"context"
	"errors"
	"log/slog"

	"github.com/sioware/sioware/logging"
	"github.com/sioware/sioware/presence"
)

// services are what the pages and the sockets share.
type services struct {
	log      *slog.Logger
	stores   *stores
	metrics  *metrics
	logs     *logging.Logger // of connections and requests
	accounts *accounts
	limiters *limiters
	names    *names
	online   *presence.Tracker
}

func newServices(c config, log *slog.Logger) (s *services, err error) {
	s = &services{log: log}
	defer func() {
		if err != nil {
			s, err = nil, errors.Join(err, s.close())
		}
	}()
	if s.stores, err = newStores(c, log); err != nil {
		return
	}
	if s.accounts, err = newAccounts(c.token, s.stores, log); err != nil {
		return
	}
	if s.metrics, err = newMetrics(); err != nil {
		return
	}
	if s.logs, err = logging.New(log, &logging.Options{
		User:     s.accounts.auth.Subject,
		Observer: s.metrics,
		Events:   &logging.Sample{}, // at level Debug
	}); err != nil {
		return
	}
	if s.limiters, err = newLimiters(c.limits, s.accounts.auth, s.stores, log); err != nil {
		return
	}
	if s.names, err = newNames(s.stores.sessions, log); err != nil {
		return
	}
	s.online, err = newOnline(c, s.stores, log)
	return
}

// handOver leaves the people of this process to other nodes, if there are any: they stay
// online for their grace period, and those who come back in time were never away.
func (s *services) handOver(ctx context.Context) error {
	return errors.Join(s.online.Close(ctx), s.stores.online.Close(ctx))
}

// close ends what runs in the background. It comes after the server: sockets whose token
// expires meanwhile are still told.
func (s *services) close() (err error) {
	if s.online != nil {
		err = s.handOver(context.Background()) // called before by run
	}
	if s.names != nil {
		err = errors.Join(err, s.names.sessions.Close(context.Background()))
	}
	if s.accounts != nil {
		err = errors.Join(err, s.accounts.close())
	}
	if s.stores != nil {
		err = errors.Join(err, s.stores.close())
	}
	return err
}
