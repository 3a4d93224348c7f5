package main

import (
	"context"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

// maxMessage is the longest message, in characters. The page does not check it, so that
// every refusal can be seen there.
const maxMessage = 500

// maxTarget is the longest ID that a client may name, in bytes.
const maxTarget = 100

// checks are the events that a client may send, with the function that checks their
// argument. Clients may send anything: handlers get what these functions return.
var checks = map[string]func(arg any) (any, error){
	"message":         checkText,
	"announce":        checkText,
	"room":            checkRoom,
	"exchange":        checkLetter,
	"away":            checkFlag,
	"typing":          nil, // no argument
	"leave":           nil,
	"sign-out-others": nil,
}

var errNoSuchEvent = &wrap.Error{Code: "forbidden", Message: "There is no such event"}

// check is the packet middleware: an error keeps the event from its handler and
// answers the client's acknowledgement.
func check(_ context.Context, _ *socket.Socket, e *wrap.Event) error {
	f, known := checks[e.Name]
	switch {
	case !known:
		return errNoSuchEvent
	case f == nil && len(e.Args) == 0:
		return nil
	case f == nil || len(e.Args) != 1:
		return errNoSuchEvent
	}
	arg, err := f(e.Args[0])
	e.Args[0] = arg
	return err
}

func checkText(arg any) (any, error) {
	text, _ := arg.(string)
	text = strings.TrimSpace(text)
	switch {
	case text == "":
		return nil, &wrap.Error{Code: "message_empty", Message: "The message is empty"}
	case utf8.RuneCountInString(text) > maxMessage:
		return nil, &wrap.Error{
			Code: "message_too_long", Message: "The message is too long",
			Data: map[string]any{"max": maxMessage},
		}
	}
	return text, nil
}

// letter is an exchange in the form that its handler gets.
type letter struct {
	target string
	text   any
}

// checkLetter accepts {target, payload: {msg}}, and drops everything else.
func checkLetter(arg any) (any, error) {
	m, _ := arg.(map[string]any)
	target, _ := m["target"].(string)
	if target == "" || len(target) > maxTarget {
		return nil, errNoSuchEvent
	}
	payload, _ := m["payload"].(map[string]any)
	text, err := checkText(payload["msg"])
	return letter{target, text}, err
}

func checkFlag(arg any) (any, error) {
	if _, ok := arg.(bool); !ok {
		return nil, errNoSuchEvent
	}
	return arg, nil
}

// may says who may send which events: guests, who have no claims, do not announce, and
// are not signed in anywhere else.
func may(claims jwtauth.Claims, event string, _ []any) error {
	if (event == "announce" || event == "sign-out-others") && claims.Subject == "" {
		return &wrap.Error{Code: "forbidden", Message: "Only users may do that"}
	}
	return nil
}

// handle answers an event with what f returns for its argument. A nil answer means
// accepted, and a refusal is sent as a middleware would send it.
func handle(s *socket.Socket, event string, f func(arg any) any) {
	_ = s.On(event, func(args ...any) {
		ack := socket.Ack(func([]any, error) {})
		if n := len(args); n > 0 {
			if a, ok := args[n-1].(socket.Ack); ok {
				ack, args = a, args[:n-1]
			}
		}
		var arg any
		if len(args) > 0 {
			arg = args[0]
		}
		switch answer := f(arg).(type) {
		case nil:
			ack([]any{}, nil)
		case *wrap.Error:
			ack([]any{answer.ClientData()}, nil)
		default:
			ack([]any{answer}, nil)
		}
	})
}

// brief returns the context for what a handler asks of presence.
func brief() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), 5*time.Second)
}
