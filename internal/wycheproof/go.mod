module github.com/sioware/sioware/jwtauth/internal/wycheproof

go 1.26.4

require (
	github.com/MicahParks/jwkset v0.11.3
	github.com/c2sp/wycheproof v0.0.0-20260902155932-3fa63dd0344a
	github.com/sioware/sioware v0.0.0
)

require golang.org/x/time v0.15.0 // indirect

replace github.com/sioware/sioware => ../..
