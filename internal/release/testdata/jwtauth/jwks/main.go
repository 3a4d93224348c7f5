package main

import (
	"context"
	"fmt"

	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/jwtauth/jwks"
)

func main() {
	_, plain := jwks.New("http://keys.example/jwks.json", nil)
	keys, err := jwks.New("https://keys.example/jwks.json", nil)
	if err != nil {
		panic(err)
	}
	auth, err := jwtauth.New[jwtauth.Claims](keys, nil)
	if err != nil {
		panic(err)
	}
	ctx := context.Background()
	fmt.Println(plain != nil, auth.Close(ctx), keys.Close(ctx))
}
