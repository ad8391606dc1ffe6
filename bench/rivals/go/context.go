// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors

package main

import (
	"context"
	"fmt"
	"sync"
	"time"
)

type key int

func benchContext() {
	bg := context.Background()

	loop("ctx_root_create_cancel", "-", func(n int) {
		for i := 0; i < n; i++ {
			_, c := context.WithCancel(bg)
			c()
		}
	})
	{
		p, pc := context.WithCancel(bg)
		loop("ctx_child_create_cancel", "-", func(n int) {
			for i := 0; i < n; i++ {
				_, c := context.WithCancel(p)
				c()
			}
		})
		loop("ctx_child_create_cancel", "with Done() called", func(n int) {
			for i := 0; i < n; i++ {
				x, c := context.WithCancel(p)
				x.Done()
				c()
			}
		})
		loop("ctx_child_create_cancel", "WithCancelCause", func(n int) {
			for i := 0; i < n; i++ {
				_, c := context.WithCancelCause(p)
				c(nil)
			}
		})
		loop("ctx_timeout_create_cancel", "-", func(n int) {
			for i := 0; i < n; i++ {
				_, c := context.WithTimeout(p, time.Hour)
				c()
			}
		})
		loop("ctx_child_create_cancel_2thr", "shared-parent", func(n int) {
			var wg sync.WaitGroup
			for g := 0; g < 2; g++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := 0; i < n/2; i++ {
						_, c := context.WithCancel(p)
						c()
					}
				}()
			}
			wg.Wait()
		})
		pc()
	}
	for _, w := range []int{1, 10, 100, 1000, 10000, 100000, 1000000, -1000, -100000, -1000000} {
		w := w
		nm := fmt.Sprint(w)
		withDone := w < 0 // every child's Done() channel exists, as it does when someone waits
		if withDone {
			w = -w
			nm = fmt.Sprint(w, " with Done()")
		}
		r := 7
		if w >= 100000 {
			r = 5
		}
		r = min(r, *reps)
		inner := 1
		if w < 10000 {
			inner = 20000 / w
		}
		if want("ctx_tree_width", nm) {
			var create, cancel, total []float64
			for k := 0; k < r; k++ {
				roots := make([]context.Context, inner)
				cs := make([]context.CancelFunc, inner)
				keep := make([]context.Context, inner*w)
				t0 := time.Now()
				for i := range roots {
					roots[i], cs[i] = context.WithCancel(bg)
					for j := 0; j < w; j++ {
						keep[i*w+j], _ = context.WithCancel(roots[i])
						if withDone {
							keep[i*w+j].Done()
						}
					}
				}
				t1 := time.Now()
				for i := range cs {
					cs[i]()
				}
				t2 := time.Now()
				if keep[len(keep)-1].Err() == nil {
					panic("not cancelled")
				}
				d := float64(inner * w)
				create = append(create, float64(t1.Sub(t0).Nanoseconds())/d)
				cancel = append(cancel, float64(t2.Sub(t1).Nanoseconds())/d)
				total = append(total, float64(t2.Sub(t0).Nanoseconds())/d)
			}
			emit("ctx_tree_width_create", nm, create, "ns/child")
			emit("ctx_tree_width_cancel", nm, cancel, "ns/child")
			emit("ctx_tree_width_total", nm, total, "ns/child")
		}
	}
	for _, w := range []int{1, 10, 100, 1000, 10000, 100000, 1000000} {
		nm := fmt.Sprint(w)
		inner := max(1, 20000/w)
		if want("ctx_tree_depth", nm) {
			var create, cancel []float64
			for k := 0; k < min(7, *reps); k++ {
				cs := make([]context.CancelFunc, inner)
				leaf := make([]context.Context, inner)
				t0 := time.Now()
				for i := range cs {
					var c context.Context
					c, cs[i] = context.WithCancel(bg)
					for j := 0; j < w; j++ {
						c, _ = context.WithCancel(c)
					}
					leaf[i] = c
				}
				t1 := time.Now()
				for i := range cs {
					cs[i]()
				}
				t2 := time.Now()
				if leaf[0].Err() == nil {
					panic("not cancelled")
				}
				d := float64(inner * w)
				create = append(create, float64(t1.Sub(t0).Nanoseconds())/d)
				cancel = append(cancel, float64(t2.Sub(t1).Nanoseconds())/d)
			}
			emit("ctx_tree_depth_create", nm, create, "ns/level")
			emit("ctx_tree_depth_cancel", nm, cancel, "ns/level")
		}
	}
	{
		p, pc := context.WithCancel(bg)
		hit := 0
		loop("ctx_err", "live", func(n int) {
			for i := 0; i < n; i++ {
				if p.Err() != nil {
					hit++
				}
			}
		})
		loop("ctx_done_poll", "live", func(n int) {
			for i := 0; i < n; i++ {
				select {
				case <-p.Done():
					hit++
				default:
				}
			}
		})
		loop("ctx_err_2thr", "live-shared", func(n int) {
			var wg sync.WaitGroup
			for g := 0; g < 2; g++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					h := 0
					for i := 0; i < n/2; i++ {
						if p.Err() != nil {
							h++
						}
					}
				}()
			}
			wg.Wait()
		})
		v := p
		for i := 0; i < 10; i++ {
			v = context.WithValue(v, key(i), i)
		}
		loop("ctx_err", "live-under-10-values", func(n int) {
			for i := 0; i < n; i++ {
				if v.Err() != nil {
					hit++
				}
			}
		})
		pc()
		loop("ctx_err", "cancelled", func(n int) {
			for i := 0; i < n; i++ {
				if p.Err() != nil {
					hit++
				}
			}
		})
		loop("ctx_done_poll", "cancelled", func(n int) {
			for i := 0; i < n; i++ {
				select {
				case <-p.Done():
					hit++
				default:
				}
			}
		})
	}
	for _, d := range []int{1, 10, 100, 1000} {
		c := context.WithValue(bg, key(-1), 42)
		for i := 0; i < d-1; i++ {
			c = context.WithValue(c, key(i), i)
		}
		s := 0
		loop("ctx_value", fmt.Sprint(d), func(n int) {
			for i := 0; i < n; i++ {
				s += c.Value(key(-1)).(int)
			}
		})
	}
	loop("ctx_withvalue_create", "-", func(n int) {
		for i := 0; i < n; i++ {
			sink = context.WithValue(bg, key(1), &n)
		}
	})
	{
		p, pc := context.WithCancel(bg)
		f := func() {}
		loop("ctx_callback_reg_dereg", "live", func(n int) {
			for i := 0; i < n; i++ {
				stop := context.AfterFunc(p, f)
				stop()
			}
		})
		loop("ctx_callback_reg_dereg_2thr", "live-shared", func(n int) {
			var wg sync.WaitGroup
			for g := 0; g < 2; g++ {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for i := 0; i < n/2; i++ {
						stop := context.AfterFunc(p, f)
						stop()
					}
				}()
			}
			wg.Wait()
		})
		pc()
	}
	// One cancel wakes one goroutine blocked on Done(): create, block, cancel, join.
	loop("ctx_cancel_wake_1", "-", func(n int) {
		ready := make(chan struct{})
		done := make(chan struct{})
		cc := make(chan context.Context)
		go func() {
			for c := range cc {
				ready <- struct{}{}
				<-c.Done()
				done <- struct{}{}
			}
		}()
		for i := 0; i < n; i++ {
			c, cancel := context.WithCancel(bg)
			cc <- c
			<-ready
			cancel()
			<-done
		}
		close(cc)
	})
}

var sink any
