package main

import (
	"context"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/sioware/sioware/jwtauth"
	"github.com/sioware/sioware/wrap"
	"github.com/zishang520/socket.io/v2/socket"
)

func main() {
	secret := []byte("a secret of 32 bytes, or longer.")
	auth, err := jwtauth.New[jwtauth.Claims](jwtauth.HMAC(secret), nil)
	if err != nil {
		panic(err)
	}
	wrap.UseAll(socket.NewServer(nil, nil), auth.Middleware())
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.RegisteredClaims{
		Subject: "ada", ExpiresAt: jwt.NewNumericDate(time.Now().Add(time.Hour)),
	}).SignedString(secret)
	if err != nil {
		panic(err)
	}
	id, err := auth.Authenticate(context.Background(), token)
	if err != nil {
		panic(err)
	}
	_, err = auth.Authenticate(context.Background(), token[:len(token)-4])
	fmt.Println(id.Claims.Subject, err != nil, auth.Close(context.Background()))
}
