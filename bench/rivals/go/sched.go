// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

package main

import (
	"context"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"
)

func sieve(n int) int {
	gen := func(ch chan<- int, quit chan struct{}) {
		for i := 2; ; i++ {
			select {
			case ch <- i:
			case <-quit:
				return
			}
		}
	}
	filt := func(in <-chan int, out chan<- int, p int, quit chan struct{}) {
		for {
			var i int
			select {
			case i = <-in:
			case <-quit:
				return
			}
			if i%p != 0 {
				select {
				case out <- i:
				case <-quit:
					return
				}
			}
		}
	}
	quit := make(chan struct{})
	ch := make(chan int)
	go gen(ch, quit)
	p := 0
	for i := 0; i < n; i++ {
		p = <-ch
		c1 := make(chan int)
		go filt(ch, c1, p, quit)
		ch = c1
	}
	close(quit)
	return p
}

// The classic sieve with plain channel operations and no quit.  Its goroutines
// stay parked afterwards, so it is run in a limited number of repetitions.
func sievePlain(n int) int {
	ch := make(chan int)
	go func() {
		for i := 2; ; i++ {
			ch <- i
		}
	}()
	p := 0
	in := ch
	for i := 0; i < n; i++ {
		p = <-in
		out := make(chan int)
		go func(in, out chan int, p int) {
			for {
				v := <-in
				if v%p != 0 {
					out <- v
				}
			}
		}(in, out, p)
		in = out
	}
	return p
}

func skynet(c chan int, num, size, div int) {
	if size == 1 {
		c <- num
		return
	}
	rc := make(chan int)
	sum := 0
	for i := 0; i < div; i++ {
		sub := num + i*(size/div)
		go skynet(rc, sub, size/div, div)
	}
	for i := 0; i < div; i++ {
		sum += <-rc
	}
	c <- sum
}

// The same tree with a counter to wait for and no channel.
func skynetWg(answer *int, num, size int) {
	if size == 1 {
		*answer = num
		return
	}
	var wg sync.WaitGroup
	var parts [10]int
	wg.Add(10)
	for i := range parts {
		go func() {
			skynetWg(&parts[i], num+i*(size/10), size/10)
			wg.Done()
		}()
	}
	wg.Wait()
	sum := 0
	for _, p := range parts {
		sum += p
	}
	*answer = sum
}

func ms(t time.Time) float64 { return float64(time.Since(t).Nanoseconds()) / 1e6 }

func prodcons(np, nc, capa, n int) {
	ch := make(chan int, capa)
	var pw, cw sync.WaitGroup
	for p := 0; p < np; p++ {
		pw.Add(1)
		go func() {
			defer pw.Done()
			for i := 0; i < n/np; i++ {
				ch <- i
			}
		}()
	}
	for c := 0; c < nc; c++ {
		cw.Add(1)
		go func() {
			defer cw.Done()
			for range ch {
			}
		}()
	}
	pw.Wait()
	close(ch)
	cw.Wait()
}

func benchSched() {
	loop("spawn_join_1", "-", func(n int) {
		done := make(chan struct{})
		for i := 0; i < n; i++ {
			go func() { done <- struct{}{} }()
			<-done
		}
	})
	loop("spawn_join_batch", "1e5", func(n int) {
		for n > 0 {
			k := min(n, 100000)
			n -= k
			var wg sync.WaitGroup
			wg.Add(k)
			for i := 0; i < k; i++ {
				go wg.Done()
			}
			wg.Wait()
		}
	})
	loop("yield", "2 goroutines", func(n int) {
		var wg sync.WaitGroup
		for g := 0; g < 2; g++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 0; i < n/2; i++ {
					runtime.Gosched()
				}
			}()
		}
		wg.Wait()
	})
	loop("yield", "1000 goroutines", func(n int) {
		var wg sync.WaitGroup
		for g := 0; g < 1000; g++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 0; i < n/1000; i++ {
					runtime.Gosched()
				}
			}()
		}
		wg.Wait()
	})
	loop("pingpong", "round trip, 2 unbuffered chans", func(n int) {
		a, b := make(chan int), make(chan int)
		go func() {
			for i := 0; i < n; i++ {
				b <- <-a
			}
		}()
		for i := 0; i < n; i++ {
			a <- i
			<-b
		}
	})
	for _, capa := range []int{0, 1, 100} {
		capa := capa
		loop("prodcons_1to1", fmt.Sprintf("cap %d", capa), func(n int) { prodcons(1, 1, capa, n) })
		loop("prodcons_4to4", fmt.Sprintf("cap %d", capa), func(n int) { prodcons(4, 4, capa, n) })
		loop("prodcons_100to100", fmt.Sprintf("cap %d", capa), func(n int) { prodcons(100, 100, capa, n) })
	}
	loop("chan_buffered_same_goroutine", "send+recv cap 1", func(n int) {
		c := make(chan int, 1)
		for i := 0; i < n; i++ {
			c <- i
			<-c
		}
	})
	loop("chan_make", "cap 0", func(n int) {
		for i := 0; i < n; i++ {
			sink = make(chan int)
		}
	})
	loop("chan_make", "cap 100", func(n int) {
		for i := 0; i < n; i++ {
			sink = make(chan int, 100)
		}
	})
	mk := func(k, capa int) []chan int {
		cs := make([]chan int, k)
		for i := range cs {
			cs[i] = make(chan int, capa)
		}
		return cs
	}
	loop("select_uncontended", "2", func(n int) {
		c := mk(2, 1)
		for i := 0; i < n; i++ {
			c[i&1] <- i
			select {
			case <-c[0]:
			case <-c[1]:
			}
		}
	})
	loop("select_uncontended", "4", func(n int) {
		c := mk(4, 1)
		for i := 0; i < n; i++ {
			c[i&3] <- i
			select {
			case <-c[0]:
			case <-c[1]:
			case <-c[2]:
			case <-c[3]:
			}
		}
	})
	loop("select_uncontended", "8", func(n int) {
		c := mk(8, 1)
		for i := 0; i < n; i++ {
			c[i&7] <- i
			select {
			case <-c[0]:
			case <-c[1]:
			case <-c[2]:
			case <-c[3]:
			case <-c[4]:
			case <-c[5]:
			case <-c[6]:
			case <-c[7]:
			}
		}
	})
	loop("select_default_miss", "2", func(n int) {
		c := mk(2, 1)
		for i := 0; i < n; i++ {
			select {
			case <-c[0]:
			case <-c[1]:
			default:
			}
		}
	})
	prod := func(c []chan int, n int) {
		for _, ch := range c {
			go func() {
				for i := 0; i < n/len(c); i++ {
					ch <- i
				}
			}()
		}
	}
	loop("select_contended", "2", func(n int) {
		c := mk(2, 0)
		n -= n % 2
		prod(c, n)
		for i := 0; i < n; i++ {
			select {
			case <-c[0]:
			case <-c[1]:
			}
		}
	})
	loop("select_contended", "4", func(n int) {
		c := mk(4, 0)
		n -= n % 4
		prod(c, n)
		for i := 0; i < n; i++ {
			select {
			case <-c[0]:
			case <-c[1]:
			case <-c[2]:
			case <-c[3]:
			}
		}
	})
	loop("select_contended", "8", func(n int) {
		c := mk(8, 0)
		n -= n % 8
		prod(c, n)
		for i := 0; i < n; i++ {
			select {
			case <-c[0]:
			case <-c[1]:
			case <-c[2]:
			case <-c[3]:
			case <-c[4]:
			case <-c[5]:
			case <-c[6]:
			case <-c[7]:
			}
		}
	})
	loop("select_recv_or_ctx_done", "chan recv + ctx.Done, blocking", func(n int) {
		ctx, cancel := context.WithCancel(context.Background())
		ch := make(chan int)
		go func() {
			for i := 0; i < n; i++ {
				ch <- i
			}
		}()
		for i := 0; i < n; i++ {
			select {
			case <-ch:
			case <-ctx.Done():
				panic("x")
			}
		}
		cancel()
	})
	loop("mutex_lock_unlock", "uncontended", func(n int) {
		var m sync.Mutex
		for i := 0; i < n; i++ {
			m.Lock()
			m.Unlock()
		}
	})
	loop("mutex_lock_unlock", "4 goroutines", func(n int) {
		var m sync.Mutex
		var wg sync.WaitGroup
		x := 0
		for g := 0; g < 4; g++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 0; i < n/4; i++ {
					m.Lock()
					x++
					m.Unlock()
				}
			}()
		}
		wg.Wait()
	})
	fixed("sieve", "2000 primes, select on quit", "ms", 5, func() float64 {
		t := time.Now()
		if sieve(2000) != 17389 {
			panic("sieve")
		}
		return ms(t)
	})
	fixed("sieve", "2000 primes, plain", "ms", 5, func() float64 {
		t := time.Now()
		if sievePlain(2000) != 17389 {
			panic("sieve")
		}
		return ms(t)
	})
	fixed("fanout_fanin", "1e5 via chan cap 128", "ms", 7, func() float64 {
		t := time.Now()
		const n = 100000
		ch := make(chan int, 128)
		for i := 0; i < n; i++ {
			go func() { ch <- i }()
		}
		s := 0
		for i := 0; i < n; i++ {
			s += <-ch
		}
		if s != n*(n-1)/2 {
			panic("sum")
		}
		return ms(t)
	})
	fixed("skynet", "1e6 leaves", "ms", 7, func() float64 {
		t := time.Now()
		c := make(chan int)
		go skynet(c, 0, 1000000, 10)
		if <-c != 499999500000 {
			panic("skynet")
		}
		return ms(t)
	})
	fixed("skynet_wg", "1e6 leaves", "ms", 7, func() float64 {
		t := time.Now()
		sum := 0
		skynetWg(&sum, 0, 1000000)
		if sum != 499999500000 {
			panic("skynet")
		}
		return ms(t)
	})
}

func rss() float64 {
	b, _ := os.ReadFile("/proc/self/status")
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, "VmRSS:") {
			f := strings.Fields(l)
			v, _ := strconv.ParseFloat(f[1], 64)
			return v * 1024
		}
	}
	return 0
}

// benchParked is run alone in a fresh process (see README), so that RSS means something.
func benchParked() {
	for _, n := range []int{100000, 1000000} {
		nm := fmt.Sprint(n)
		if !want("parked", nm) {
			continue
		}
		var spawn, mem, cancelT, wake []float64
		for r := 0; r < min(5, *reps); r++ {
			runtime.GC()
			ctx, cancel := context.WithCancel(context.Background())
			var ready, done sync.WaitGroup
			ready.Add(n)
			done.Add(n)
			r0 := rss()
			t0 := time.Now()
			for i := 0; i < n; i++ {
				go func() {
					ready.Done()
					<-ctx.Done()
					done.Done()
				}()
			}
			ready.Wait()
			time.Sleep(20 * time.Millisecond) // let the last ones park
			t1 := time.Now()
			r1 := rss()
			if r == 0 { // only the first round starts from a bare heap
				mem = append(mem, (r1-r0)/float64(n))
			}
			t2 := time.Now()
			cancel()
			t3 := time.Now()
			done.Wait()
			t4 := time.Now()
			spawn = append(spawn, float64(t1.Sub(t0).Nanoseconds()-20e6)/float64(n))
			cancelT = append(cancelT, float64(t3.Sub(t2).Nanoseconds())/1e6)
			wake = append(wake, float64(t4.Sub(t2).Nanoseconds())/1e6)
		}
		emit("parked_rss", nm, mem, "B/goroutine")
		emit("parked_spawn", nm, spawn, "ns/goroutine")
		emit("parked_cancel_call", nm, cancelT, "ms")
		emit("parked_cancel_all_exited", nm, wake, "ms")
	}
}
