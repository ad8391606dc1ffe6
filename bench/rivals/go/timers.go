// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

package main

import (
	"fmt"
	"sort"
	"sync"
	"time"
)

func pct(bench, param string, xs []float64) {
	sort.Float64s(xs)
	q := func(p float64) float64 { return xs[int(p*float64(len(xs)-1))] }
	emit(bench, param+" p50", []float64{q(.5)}, "us")
	emit(bench, param+" p99", []float64{q(.99)}, "us")
	emit(bench, param+" max", []float64{q(1)}, "us")
}

func benchTimers() {
	loop("timer_new_stop", "NewTimer 1h", func(n int) {
		for i := 0; i < n; i++ {
			time.NewTimer(time.Hour).Stop()
		}
	})
	loop("timer_new_stop", "AfterFunc 1h", func(n int) {
		f := func() {}
		for i := 0; i < n; i++ {
			time.AfterFunc(time.Hour, f).Stop()
		}
	})
	loop("timer_reset", "AfterFunc, live", func(n int) {
		t := time.AfterFunc(time.Hour, func() {})
		for i := 0; i < n; i++ {
			t.Reset(time.Hour + time.Duration(i))
		}
		t.Stop()
	})
	loop("timer_new_stop_2thr", "AfterFunc 1h", func(n int) {
		var wg sync.WaitGroup
		f := func() {}
		for g := 0; g < 2; g++ {
			wg.Add(1)
			go func() {
				defer wg.Done()
				for i := 0; i < n/2; i++ {
					time.AfterFunc(time.Hour, f).Stop()
				}
			}()
		}
		wg.Wait()
	})
	if want("timer_1e6", "pending") {
		const n = 1000000
		var c, s, rs []float64
		f := func() {}
		for r := 0; r < min(5, *reps); r++ {
			ts := make([]*time.Timer, n)
			x := uint64(88172645463325252)
			t0 := time.Now()
			for i := range ts {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
				ts[i] = time.AfterFunc(time.Hour+time.Duration(x%3600_000_000_000), f)
			}
			t1 := time.Now()
			for i := range ts {
				x ^= x << 13
				x ^= x >> 7
				x ^= x << 17
				ts[i].Reset(time.Hour + time.Duration(x%3600_000_000_000))
			}
			t2 := time.Now()
			for i := range ts {
				ts[i].Stop()
			}
			t3 := time.Now()
			c = append(c, float64(t1.Sub(t0).Nanoseconds())/n)
			rs = append(rs, float64(t2.Sub(t1).Nanoseconds())/n)
			s = append(s, float64(t3.Sub(t2).Nanoseconds())/n)
		}
		emit("timer_1e6", "create", c, "ns/op")
		emit("timer_1e6", "reset", rs, "ns/op")
		emit("timer_1e6", "stop", s, "ns/op")
	}
	if want("timer_late", "1e4/s") {
		const n = 20000
		var mu sync.Mutex
		xs := make([]float64, 0, n)
		var wg sync.WaitGroup
		wg.Add(n)
		base := time.Now().Add(200 * time.Millisecond)
		for i := 0; i < n; i++ {
			due := base.Add(time.Duration(i) * 100 * time.Microsecond)
			time.AfterFunc(time.Until(due), func() {
				l := float64(time.Since(due).Nanoseconds()) / 1e3
				mu.Lock()
				xs = append(xs, l)
				mu.Unlock()
				wg.Done()
			})
		}
		wg.Wait()
		pct("timer_late", "1e4/s", xs)
	}
	for _, d := range []time.Duration{50 * time.Microsecond, time.Millisecond} {
		if want("sleep_late", short(d)) {
			var xs []float64
			for i := 0; i < 1000; i++ {
				t := time.Now()
				time.Sleep(d)
				xs = append(xs, float64((time.Since(t)-d).Nanoseconds())/1e3)
			}
			pct("sleep_late", short(d), xs)
		}
	}
}

// short is d as the other programs write it.
func short(d time.Duration) string {
	if d < time.Millisecond {
		return fmt.Sprintf("%dus", d.Microseconds())
	}
	return fmt.Sprintf("%dms", d.Milliseconds())
}
