// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The scenarios in Go's own context, goroutines, channels, select and
// timers.  One process prints tab-separated rows:
//
//	peer  bench  param  procs  median  min  max  unit
//
// usage: GOMAXPROCS=1 ./go_rival [-reps 7] [-target 60ms] [regexp]
package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"runtime"
	"sort"
	"time"
)

var reps = flag.Int("reps", 7, "repetitions; the median is reported")
var target = flag.Duration("target", 60*time.Millisecond, "length of one repetition")
var filter *regexp.Regexp

func emit(bench, param string, xs []float64, unit string) {
	sort.Float64s(xs)
	fmt.Printf("go\t%s\t%s\t%d\t%.2f\t%.2f\t%.2f\t%s\n", bench, param,
		runtime.GOMAXPROCS(0), xs[len(xs)/2], xs[0], xs[len(xs)-1], unit)
}

func want(bench, param string) bool { return filter.MatchString(bench + "/" + param) }

// loop measures f(n), choosing n so that one repetition lasts about *target,
// and reports ns per op, plus bytes and mallocs per op.
func loop(bench, param string, f func(n int)) {
	if !want(bench, param) {
		return
	}
	n := 1
	for {
		// A call that was long is made again and the shorter one believed: what else the machine did must
		// not end the search.
		d := *target
		for attempt := 0; attempt < 2 && d >= *target/4; attempt++ {
			t := time.Now()
			f(n)
			if took := time.Since(t); attempt == 0 || took < d {
				d = took
			}
		}
		if d >= *target/4 || n >= 1<<30 {
			n = int(float64(n) * float64(*target) / float64(d+1))
			if n < 1 {
				n = 1
			}
			break
		}
		n *= 4
	}
	var xs []float64
	var m0, m1 runtime.MemStats
	runtime.ReadMemStats(&m0)
	for r := 0; r < *reps; r++ {
		t := time.Now()
		f(n)
		xs = append(xs, float64(time.Since(t).Nanoseconds())/float64(n))
	}
	runtime.ReadMemStats(&m1)
	tot := float64(n) * float64(*reps)
	emit(bench, param, xs, fmt.Sprintf("ns/op\t%.0f B/op\t%.2f allocs/op",
		float64(m1.TotalAlloc-m0.TotalAlloc)/tot, float64(m1.Mallocs-m0.Mallocs)/tot))
}

// fixed measures one shot of f, which returns the measured value itself.
func fixed(bench, param, unit string, n int, f func() float64) {
	if !want(bench, param) {
		return
	}
	var xs []float64
	for r := 0; r < min(n, *reps); r++ {
		runtime.GC()
		xs = append(xs, f())
	}
	emit(bench, param, xs, unit)
}

func main() {
	flag.Parse()
	pat := "."
	if flag.NArg() > 0 {
		pat = flag.Arg(0)
	}
	filter = regexp.MustCompile(pat)
	if len(os.Args) == 0 {
		return
	}
	benchContext()
	benchSched()
	benchTimers()
	benchParked()
	echoBenches()
}
