module github.com/sioware/sioware/internal/release

go 1.25.0

require (
	go.uber.org/goleak v1.3.0
	golang.org/x/mod v0.35.0
)
