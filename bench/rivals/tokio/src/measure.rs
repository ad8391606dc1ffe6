// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// How rows are repeated and printed: as bench/rows.hpp does it.
use std::future::Future;
use std::time::Instant;

pub struct Cfg {
    pub procs: usize,
    pub reps: usize,
    pub target: f64,
    pub pats: Vec<String>,
}
impl Cfg {
    pub fn want(&self, b: &str, p: &str) -> bool {
        let s = format!("{}/{}", b, p);
        self.pats.is_empty()
            || self
                .pats
                .iter()
                .any(|x| s == *x || (x.ends_with('/') && s.starts_with(x.as_str())))
    }
    pub fn emit(&self, b: &str, p: &str, mut x: Vec<f64>, u: &str) {
        x.sort_by(|a, b| a.partial_cmp(b).unwrap());
        println!(
            "tokio\t{}\t{}\t{}\t{:.2}\t{:.2}\t{:.2}\t{}",
            b,
            p,
            self.procs,
            x[x.len() / 2],
            x[0],
            x[x.len() - 1],
            u
        );
    }
    pub fn pct(&self, b: &str, p: &str, mut x: Vec<f64>) {
        x.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let q = |f: f64| x[(f * (x.len() - 1) as f64) as usize];
        for (n, f) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            self.emit(b, &format!("{} {}", p, n), vec![q(f)], "us");
        }
    }
}
pub fn ns(t: Instant) -> f64 {
    t.elapsed().as_nanos() as f64
}
pub fn sync_loop(c: &Cfg, b: &str, p: &str, mut f: impl FnMut(u64)) {
    if !c.want(b, p) {
        return;
    }
    let mut n = 1u64;
    loop {
        // What was long is done again and the shorter one believed: noise must not end the search.
        let mut took = |n| {
            let t = Instant::now();
            f(n);
            ns(t) + 1.0
        };
        let mut d = took(n);
        if d > c.target / 4.0 {
            d = d.min(took(n));
        }
        if d > c.target / 4.0 || n > 1 << 32 {
            n = ((n as f64) * c.target / d).max(1.0) as u64;
            break;
        }
        n *= 4;
    }
    let mut v = vec![];
    for _ in 0..c.reps {
        let t = Instant::now();
        f(n);
        v.push(ns(t) / n as f64);
    }
    c.emit(b, p, v, "ns/op");
}
// f(n) makes a future; it is run inside a spawned task so that it is a task like the others
pub fn async_loop<F, Fut>(rt: &tokio::runtime::Runtime, c: &Cfg, b: &str, p: &str, f: F)
where
    F: Fn(u64) -> Fut,
    Fut: Future<Output = ()> + Send + 'static,
{
    sync_loop(c, b, p, |n| {
        let fut = f(n);
        rt.block_on(async { tokio::spawn(fut).await.unwrap() });
    });
}
pub fn rss() -> f64 {
    let s = std::fs::read_to_string("/proc/self/status").unwrap();
    for l in s.lines() {
        if l.starts_with("VmRSS:") {
            return l.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() * 1024.0;
        }
    }
    0.0
}
