// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The rows of bench/echo.cpp with package net: a goroutine for each connection.
package main

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
)

func echoTo(peer net.Conn) {
	defer peer.Close()
	buffer := make([]byte, 4096)
	for {
		n, err := peer.Read(buffer)
		if err != nil {
			return
		}
		if _, err := peer.Write(buffer[:n]); err != nil {
			return
		}
	}
}

func echoBenches() {
	if !want("echo", "1 connection") && !want("echo", "64 connections") {
		return
	}
	listener, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer listener.Close()
	go func() {
		for {
			peer, err := listener.Accept()
			if err != nil {
				return
			}
			go echoTo(peer)
		}
	}()
	self, err := os.Executable()
	if err != nil {
		panic(err)
	}
	load := filepath.Join(filepath.Dir(self), "bench_echo_load")
	port := strconv.Itoa(listener.Addr().(*net.TCPAddr).Port)
	lasts := strconv.FormatInt(target.Milliseconds()*5, 10)
	for _, connections := range []int{1, 64} {
		many := fmt.Sprintf("%d connections", connections)
		if connections == 1 {
			many = "1 connection"
		}
		if !want("echo", many) {
			continue
		}
		var each, p50, p99 []float64
		for r := 0; r < *reps; r++ {
			said, err := exec.Command(load, port, strconv.Itoa(connections), lasts).Output()
			if err != nil {
				panic(err)
			}
			var a, b, c float64
			if _, err := fmt.Sscan(string(said), &a, &b, &c); err != nil {
				panic(err)
			}
			each, p50, p99 = append(each, a), append(p50, b), append(p99, c)
		}
		emit("echo_throughput", many, each, "ns/op")
		emit("echo_latency", many+", p50", p50, "ns")
		emit("echo_latency", many+", p99", p99, "ns")
	}
}
