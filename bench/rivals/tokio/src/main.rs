// SPDX-License-Identifier: MIT
// Copyright (c) 2026 the downhaul authors
//
// The scenarios in tokio, tokio_util::CancellationToken and crossbeam-channel.
// usage: tokio_rival [-p 1|2] [-r REPETITIONS] [-t MILLISECONDS] [scenario/parameter | scenario/]...
// -p 1: current_thread; -p 2: multi_thread with 2 workers
mod measure;

use measure::{async_loop, ns, rss, sync_loop, Cfg};
use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::{mpsc, Notify};
use tokio_util::sync::CancellationToken;

struct Wg {
    n: AtomicUsize,
    nf: Notify,
}
impl Wg {
    fn new(n: usize) -> Arc<Wg> {
        Arc::new(Wg {
            n: AtomicUsize::new(n),
            nf: Notify::new(),
        })
    }
    fn done(&self) {
        if self.n.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.nf.notify_one();
        }
    }
    async fn wait(&self) {
        while self.n.load(Ordering::Acquire) != 0 {
            self.nf.notified().await;
        }
    }
}
fn skynet(tx: mpsc::Sender<u64>, num: u64, size: u64) -> Pin<Box<dyn Future<Output = ()> + Send>> {
    Box::pin(async move {
        if size == 1 {
            let _ = tx.send(num).await;
            return;
        }
        let (t, mut r) = mpsc::channel(10);
        for i in 0..10 {
            tokio::spawn(skynet(t.clone(), num + i * (size / 10), size / 10));
        }
        let mut s = 0;
        for _ in 0..10 {
            s += r.recv().await.unwrap();
        }
        let _ = tx.send(s).await;
    })
}
async fn prodcons(np: u64, cap: usize, n: u64) {
    let (tx, mut rx) = mpsc::channel::<u64>(cap);
    for _ in 0..np {
        let tx = tx.clone();
        tokio::spawn(async move {
            for i in 0..n / np {
                let _ = tx.send(i).await;
            }
        });
    }
    drop(tx);
    while let Some(x) = rx.recv().await {
        black_box(x);
    }
}
async fn sieve(n: usize) -> u64 {
    let (tx, mut rx) = mpsc::channel::<u64>(1);
    tokio::spawn(async move {
        let mut i = 2;
        while tx.send(i).await.is_ok() {
            i += 1;
        }
    });
    let mut p = 0;
    for _ in 0..n {
        p = rx.recv().await.unwrap();
        let (t, r) = mpsc::channel::<u64>(1);
        let mut inp = std::mem::replace(&mut rx, r);
        let q = p;
        tokio::spawn(async move {
            while let Some(v) = inp.recv().await {
                if v % q != 0 && t.send(v).await.is_err() {
                    return;
                }
            }
        });
    }
    p
}
fn main() {
    let mut procs = 1;
    let mut reps = 7usize;
    let mut target = 60e6;
    let mut pats = vec![];
    let a: Vec<String> = std::env::args().collect();
    let mut i = 1;
    while i < a.len() {
        if a[i] == "-p" {
            procs = a[i + 1].parse().unwrap();
            i += 1;
        } else if a[i] == "-t" {
            target = a[i + 1].parse::<f64>().unwrap() * 1e6;
            i += 1;
        } else if a[i] == "-r" {
            reps = a[i + 1].parse().unwrap();
            i += 1;
        } else {
            pats.push(a[i].clone());
        }
        i += 1;
    }
    let c = Cfg {
        procs,
        reps,
        target,
        pats,
    };
    let rt = if procs == 1 {
        tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .unwrap()
    } else {
        tokio::runtime::Builder::new_multi_thread()
            .worker_threads(procs)
            .enable_time()
            .build()
            .unwrap()
    };
    // --- CancellationToken
    sync_loop(&c, "ctx_root_create_cancel", "-", |n| {
        for _ in 0..n {
            let t = CancellationToken::new();
            t.cancel();
        }
    });
    let root = CancellationToken::new();
    sync_loop(&c, "ctx_child_create_cancel", "child_token+cancel+drop", |n| {
        for _ in 0..n {
            let t = root.child_token();
            t.cancel();
        }
    });
    sync_loop(&c, "ctx_child_create_cancel", "child_token+drop", |n| {
        for _ in 0..n {
            black_box(root.child_token());
        }
    });
    sync_loop(&c, "ctx_child_create_cancel_2thr", "shared-parent", |n| {
        let r2 = root.clone();
        let h = std::thread::spawn(move || {
            for _ in 0..n / 2 {
                let t = r2.child_token();
                t.cancel();
            }
        });
        for _ in 0..n / 2 {
            let t = root.child_token();
            t.cancel();
        }
        h.join().unwrap();
    });
    let mut hit = 0u64;
    sync_loop(&c, "ctx_err", "live", |n| {
        for _ in 0..n {
            if root.is_cancelled() {
                hit += 1;
            }
        }
    });
    sync_loop(&c, "ctx_err_2thr", "live-shared", |n| {
        let r2 = root.clone();
        let h = std::thread::spawn(move || {
            let mut x = 0u64;
            for _ in 0..n / 2 {
                if r2.is_cancelled() {
                    x += 1;
                }
            }
            black_box(x);
        });
        for _ in 0..n / 2 {
            if root.is_cancelled() {
                hit += 1;
            }
        }
        h.join().unwrap();
    });
    black_box(hit);
    for w in [1usize, 10, 100, 1000, 100000, 1000000] {
        if !c.want("ctx_tree_width", &w.to_string()) {
            continue;
        }
        let inner = if w < 10000 { 20000 / w } else { 1 };
        let (mut cr, mut ca, mut de) = (vec![], vec![], vec![]);
        for _ in 0..c.reps.min(if w >= 100000 { 5 } else { 7 }) {
            let mut roots = Vec::with_capacity(inner);
            let mut kids = Vec::with_capacity(inner * w);
            let t = Instant::now();
            for _ in 0..inner {
                let r = CancellationToken::new();
                for _ in 0..w {
                    kids.push(r.child_token());
                }
                roots.push(r);
            }
            let d = (inner * w) as f64;
            cr.push(ns(t) / d);
            let t = Instant::now();
            for r in &roots {
                r.cancel();
            }
            ca.push(ns(t) / d);
            assert!(kids[0].is_cancelled());
            let t = Instant::now();
            drop(kids);
            drop(roots);
            de.push(ns(t) / d);
        }
        c.emit("ctx_tree_width_create", &w.to_string(), cr, "ns/child");
        c.emit("ctx_tree_width_cancel", &w.to_string(), ca, "ns/child");
        c.emit("ctx_tree_width_destroy", &w.to_string(), de, "ns/child");
    }
    for w in [1usize, 10, 100, 1000, 10000] {
        if !c.want("ctx_tree_depth", &w.to_string()) {
            continue;
        }
        let inner = 20000 / w;
        let (mut cr, mut ca) = (vec![], vec![]);
        for _ in 0..c.reps.min(7) {
            let mut roots = Vec::with_capacity(inner);
            let mut kids = Vec::with_capacity(inner * w);
            let t = Instant::now();
            for _ in 0..inner {
                let r = CancellationToken::new();
                let mut p = r.clone();
                for _ in 0..w {
                    p = p.child_token();
                    kids.push(p.clone());
                }
                roots.push(r);
            }
            let d = (inner * w) as f64;
            cr.push(ns(t) / d);
            let t = Instant::now();
            for r in &roots {
                r.cancel();
            }
            ca.push(ns(t) / d);
            assert!(kids[w - 1].is_cancelled());
        }
        c.emit("ctx_tree_depth_create", &w.to_string(), cr, "ns/level");
        c.emit("ctx_tree_depth_cancel", &w.to_string(), ca, "ns/level");
    }
    async_loop(&rt, &c, "ctx_cancel_wake_1", "-", |n| async move {
        let (tx, mut rx) = mpsc::channel::<CancellationToken>(1);
        let (tx2, mut rx2) = mpsc::channel::<()>(1);
        tokio::spawn(async move {
            while let Some(t) = rx.recv().await {
                let f = t.cancelled();
                tokio::pin!(f);
                futures_poll_once(&mut f).await;
                let _ = tx2.send(()).await;
                f.await;
                let _ = tx2.send(()).await;
            }
        });
        for _ in 0..n {
            let t = CancellationToken::new();
            let _ = tx.send(t.clone()).await;
            rx2.recv().await;
            t.cancel();
            rx2.recv().await;
        }
    });
    // --- tasks
    async_loop(&rt, &c, "spawn_join_1", "-", |n| async move {
        for _ in 0..n {
            tokio::spawn(async {}).await.unwrap();
        }
    });
    async_loop(&rt, &c, "spawn_join_batch", "1e5", |n| async move {
        let mut n = n;
        while n > 0 {
            let k = n.min(100000);
            n -= k;
            let wg = Wg::new(k as usize);
            for _ in 0..k {
                let w = wg.clone();
                tokio::spawn(async move { w.done() });
            }
            wg.wait().await;
        }
    });
    for g in [2u64, 1000] {
        async_loop(&rt, &c, "yield", &format!("{} goroutines", g), |n| async move {
            let wg = Wg::new(g as usize);
            for _ in 0..g {
                let w = wg.clone();
                tokio::spawn(async move {
                    for _ in 0..n / g {
                        tokio::task::yield_now().await;
                    }
                    w.done();
                });
            }
            wg.wait().await;
        });
    }
    async_loop(&rt, &c, "pingpong", "round trip, 2 mpsc cap 1", |n| async move {
        let (t1, mut r1) = mpsc::channel::<u64>(1);
        let (t2, mut r2) = mpsc::channel::<u64>(1);
        tokio::spawn(async move {
            while let Some(x) = r1.recv().await {
                let _ = t2.send(x).await;
            }
        });
        for i in 0..n {
            let _ = t1.send(i).await;
            r2.recv().await;
        }
    });
    for cap in [1usize, 100] {
        async_loop(&rt, &c, "prodcons_1to1", &format!("cap {}", cap), |n| {
            prodcons(1, cap, n)
        });
        async_loop(&rt, &c, "prodcons_4to1", &format!("cap {} (mpsc)", cap), |n| {
            prodcons(4, cap, n)
        });
        async_loop(&rt, &c, "prodcons_100to1", &format!("cap {} (mpsc)", cap), |n| {
            prodcons(100, cap, n)
        });
    }
    async_loop(
        &rt,
        &c,
        "chan_buffered_same_goroutine",
        "send+recv cap 1",
        |n| async move {
            let (t, mut r) = mpsc::channel::<u64>(1);
            for i in 0..n {
                let _ = t.send(i).await;
                r.recv().await;
            }
        },
    );
    async_loop(&rt, &c, "select_uncontended", "2", |n| async move {
        let (t0, mut r0) = mpsc::channel::<u64>(1);
        let (t1, mut r1) = mpsc::channel::<u64>(1);
        for i in 0..n {
            if i & 1 == 0 {
                let _ = t0.send(i).await;
            } else {
                let _ = t1.send(i).await;
            }
            tokio::select! { x = r0.recv() => { black_box(x); } x = r1.recv() => { black_box(x); } }
        }
    });
    async_loop(&rt, &c, "select_uncontended", "4", |n| async move {
        let (t0, mut r0) = mpsc::channel::<u64>(1);
        let (t1, mut r1) = mpsc::channel::<u64>(1);
        let (t2, mut r2) = mpsc::channel::<u64>(1);
        let (t3, mut r3) = mpsc::channel::<u64>(1);
        let t = [t0, t1, t2, t3];
        for i in 0..n {
            let _ = t[(i & 3) as usize].send(i).await;
            tokio::select! { x = r0.recv() => { black_box(x); } x = r1.recv() => { black_box(x); } x = r2.recv() => { black_box(x); } x = r3.recv() => { black_box(x); } }
        }
    });
    async_loop(&rt, &c, "select_uncontended", "8", |n| async move {
        let mut tx = vec![];
        let mut rx = vec![];
        for _ in 0..8 {
            let (t, r) = mpsc::channel::<u64>(1);
            tx.push(t);
            rx.push(r);
        }
        let mut it = rx.into_iter();
        let (mut a, mut b, mut cc, mut d, mut e, mut f, mut g, mut h) = (
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
        );
        for i in 0..n {
            let _ = tx[(i & 7) as usize].send(i).await;
            tokio::select! { x = a.recv() => { black_box(x); } x = b.recv() => { black_box(x); } x = cc.recv() => { black_box(x); } x = d.recv() => { black_box(x); }
            x = e.recv() => { black_box(x); } x = f.recv() => { black_box(x); } x = g.recv() => { black_box(x); } x = h.recv() => { black_box(x); } }
        }
    });
    let mk = |k: u64, n: u64| {
        let mut rx = vec![];
        for _ in 0..k {
            let (tx, r) = mpsc::channel::<u64>(1);
            tokio::spawn(async move {
                for i in 0..n / k + 1 {
                    if tx.send(i).await.is_err() {
                        return;
                    }
                }
            });
            rx.push(r);
        }
        rx.into_iter()
    };
    async_loop(&rt, &c, "select_contended", "2", |n| async move {
        let mut it = mk(2, n);
        let (mut a, mut b) = (it.next().unwrap(), it.next().unwrap());
        for _ in 0..n {
            tokio::select! { Some(x) = a.recv() => { black_box(x); } Some(x) = b.recv() => { black_box(x); } else => {} }
        }
    });
    async_loop(&rt, &c, "select_contended", "4", |n| async move {
        let mut it = mk(4, n);
        let (mut a, mut b, mut d, mut e) = (
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
        );
        for _ in 0..n {
            tokio::select! { Some(x) = a.recv() => { black_box(x); } Some(x) = b.recv() => { black_box(x); } Some(x) = d.recv() => { black_box(x); } Some(x) = e.recv() => { black_box(x); } else => {} }
        }
    });
    async_loop(&rt, &c, "select_contended", "8", |n| async move {
        let mut it = mk(8, n);
        let (mut a, mut b, mut d, mut e, mut f, mut g, mut h, mut i) = (
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
            it.next().unwrap(),
        );
        for _ in 0..n {
            tokio::select! { Some(x) = a.recv() => { black_box(x); } Some(x) = b.recv() => { black_box(x); } Some(x) = d.recv() => { black_box(x); } Some(x) = e.recv() => { black_box(x); }
            Some(x) = f.recv() => { black_box(x); } Some(x) = g.recv() => { black_box(x); } Some(x) = h.recv() => { black_box(x); } Some(x) = i.recv() => { black_box(x); } else => {} }
        }
    });
    async_loop(
        &rt,
        &c,
        "select_recv_or_ctx_done",
        "mpsc recv + cancelled()",
        |n| async move {
            let t = CancellationToken::new();
            let (tx, mut rx) = mpsc::channel::<u64>(1);
            tokio::spawn(async move {
                for i in 0..n {
                    let _ = tx.send(i).await;
                }
            });
            for _ in 0..n {
                tokio::select! { x = rx.recv() => { black_box(x); } _ = t.cancelled() => { panic!() } }
            }
        },
    );
    let fixed = |b: &str, p: &str, k: usize, f: &dyn Fn() -> f64| {
        if c.want(b, p) {
            let v = (0..k.min(c.reps)).map(|_| f()).collect();
            c.emit(b, p, v, "ms");
        }
    };
    fixed("sieve", "2000 primes, mpsc cap 1", 5, &|| {
        let t = Instant::now();
        let p = rt.block_on(async { tokio::spawn(sieve(2000)).await.unwrap() });
        assert_eq!(p, 17389);
        ns(t) / 1e6
    });
    fixed("fanout_fanin", "1e5 via chan cap 128", 7, &|| {
        let t = Instant::now();
        rt.block_on(async {
            tokio::spawn(async {
                let (tx, mut rx) = mpsc::channel::<u64>(128);
                for i in 0..100000u64 {
                    let tx = tx.clone();
                    tokio::spawn(async move {
                        let _ = tx.send(i).await;
                    });
                }
                let mut s = 0;
                for _ in 0..100000 {
                    s += rx.recv().await.unwrap();
                }
                assert_eq!(s, 4999950000);
            })
            .await
            .unwrap()
        });
        ns(t) / 1e6
    });
    fixed("skynet", "1e6 leaves, mpsc cap 10", 5, &|| {
        let t = Instant::now();
        rt.block_on(async {
            let (tx, mut rx) = mpsc::channel(1);
            tokio::spawn(skynet(tx, 0, 1000000));
            assert_eq!(rx.recv().await.unwrap(), 499999500000);
        });
        ns(t) / 1e6
    });
    // --- parked
    for n in [100000usize, 1000000] {
        if !c.want("parked", &n.to_string()) {
            continue;
        }
        let (mut mem, mut spawn, mut call, mut wake) = (vec![], vec![], vec![], vec![]);
        for r in 0..c.reps.min(5) {
            let (a, b, d, e) = rt.block_on(async {
                tokio::spawn(async move {
                    let tok = CancellationToken::new();
                    let ready = Wg::new(n);
                    let out = Wg::new(n);
                    let r0 = rss();
                    let t0 = Instant::now();
                    for _ in 0..n {
                        let (tk, rd, o) = (tok.clone(), ready.clone(), out.clone());
                        tokio::spawn(async move {
                            rd.done();
                            tk.cancelled().await;
                            o.done();
                        });
                    }
                    ready.wait().await;
                    let a = ns(t0) / n as f64;
                    tokio::time::sleep(Duration::from_millis(20)).await;
                    let m = (rss() - r0) / n as f64;
                    let t2 = Instant::now();
                    tok.cancel();
                    let d = ns(t2) / 1e6;
                    out.wait().await;
                    (m, a, d, ns(t2) / 1e6)
                })
                .await
                .unwrap()
            });
            if r == 0 {
                mem.push(a);
            }
            spawn.push(b);
            call.push(d);
            wake.push(e);
        }
        c.emit("parked_rss", &n.to_string(), mem, "B/goroutine");
        c.emit("parked_spawn", &n.to_string(), spawn, "ns/goroutine");
        c.emit("parked_cancel_call", &n.to_string(), call, "ms");
        c.emit("parked_cancel_all_exited", &n.to_string(), wake, "ms");
    }
    // --- timers
    async_loop(
        &rt,
        &c,
        "timer_new_stop",
        "Sleep polled once + drop, 1h",
        |n| async move {
            for _ in 0..n {
                let s = tokio::time::sleep(Duration::from_secs(3600));
                tokio::pin!(s);
                futures_poll_once(&mut s).await;
            }
        },
    );
    async_loop(
        &rt,
        &c,
        "timer_new_stop",
        "Sleep never polled + drop",
        |n| async move {
            for _ in 0..n {
                let _ = black_box(tokio::time::sleep(Duration::from_secs(3600)));
            }
        },
    );
    async_loop(&rt, &c, "timer_reset", "live Sleep::reset", |n| async move {
        let s = tokio::time::sleep(Duration::from_secs(3600));
        tokio::pin!(s);
        futures_poll_once(&mut s).await;
        let base = tokio::time::Instant::now() + Duration::from_secs(3600);
        for i in 0..n {
            s.as_mut().reset(base + Duration::from_nanos(i));
        }
    });
    if c.want("timer_1e6", "pending") {
        let (mut cr, mut rs, mut st) = (vec![], vec![], vec![]);
        for _ in 0..c.reps.min(5) {
            let (a, b, d) = rt.block_on(async {
                tokio::spawn(async {
                    let n = 1000000usize;
                    let mut x = 88172645463325252u64;
                    let mut rnd = move || {
                        x ^= x << 13;
                        x ^= x >> 7;
                        x ^= x << 17;
                        x
                    };
                    let mut v: Vec<Pin<Box<tokio::time::Sleep>>> = Vec::with_capacity(n);
                    let t = Instant::now();
                    for _ in 0..n {
                        let mut s = Box::pin(tokio::time::sleep(
                            Duration::from_secs(3600) + Duration::from_nanos(rnd() % 3600_000_000_000),
                        ));
                        futures_poll_once(&mut s).await;
                        v.push(s);
                    }
                    let a = ns(t) / n as f64;
                    let t = Instant::now();
                    let base = tokio::time::Instant::now() + Duration::from_secs(3600);
                    for s in v.iter_mut() {
                        s.as_mut()
                            .reset(base + Duration::from_nanos(rnd() % 3600_000_000_000));
                    }
                    let b = ns(t) / n as f64;
                    let t = Instant::now();
                    drop(v);
                    (a, b, ns(t) / n as f64)
                })
                .await
                .unwrap()
            });
            cr.push(a);
            rs.push(b);
            st.push(d);
        }
        c.emit("timer_1e6", "create (boxed)", cr, "ns/op");
        c.emit("timer_1e6", "reset", rs, "ns/op");
        c.emit("timer_1e6", "stop (drop)", st, "ns/op");
    }
    if c.want("timer_late", "1e4/s") {
        let out = Arc::new(Mutex::new(Vec::with_capacity(20000)));
        let o2 = out.clone();
        rt.block_on(async {
            tokio::spawn(async move {
                let base = Instant::now() + Duration::from_millis(200);
                let wg = Wg::new(20000);
                for i in 0..20000u32 {
                    let due = base + Duration::from_micros(100) * i;
                    let (o, w) = (o2.clone(), wg.clone());
                    tokio::spawn(async move {
                        tokio::time::sleep_until(due.into()).await;
                        let l = ns(due) / 1e3;
                        o.lock().unwrap().push(l);
                        w.done();
                    });
                }
                wg.wait().await;
            })
            .await
            .unwrap()
        });
        let v = out.lock().unwrap().clone();
        c.pct("timer_late", "1e4/s", v);
    }
    for (us, nm) in [(50u64, "50us"), (1000, "1ms")] {
        if !c.want("sleep_late", nm) {
            continue;
        }
        let v = rt.block_on(async {
            tokio::spawn(async move {
                let mut v = vec![];
                for _ in 0..1000 {
                    let t = Instant::now();
                    tokio::time::sleep(Duration::from_micros(us)).await;
                    v.push((ns(t) - us as f64 * 1e3) / 1e3);
                }
                v
            })
            .await
            .unwrap()
        });
        c.pct("sleep_late", nm, v);
    }
    // --- crossbeam-channel between OS threads
    {
        for cap in [0usize, 1, 100] {
            sync_loop(
                &c,
                "crossbeam_prodcons_1to1",
                &format!("2 threads, cap {}", cap),
                |n| {
                    let (t, r) = crossbeam_channel::bounded::<u64>(cap);
                    let h = std::thread::spawn(move || {
                        for i in 0..n {
                            t.send(i).unwrap();
                        }
                    });
                    for _ in 0..n {
                        black_box(r.recv().unwrap());
                    }
                    h.join().unwrap();
                },
            );
        }
        sync_loop(&c, "crossbeam_same_thread", "send+recv cap 1", |n| {
            let (t, r) = crossbeam_channel::bounded::<u64>(1);
            for i in 0..n {
                t.send(i).unwrap();
                black_box(r.recv().unwrap());
            }
        });
        sync_loop(&c, "crossbeam_select_uncontended", "2", |n| {
            let (t0, r0) = crossbeam_channel::bounded::<u64>(1);
            let (t1, r1) = crossbeam_channel::bounded::<u64>(1);
            for i in 0..n {
                if i & 1 == 0 {
                    t0.send(i).unwrap()
                } else {
                    t1.send(i).unwrap()
                }
                crossbeam_channel::select! { recv(r0) -> x => { black_box(x.unwrap()); } recv(r1) -> x => { black_box(x.unwrap()); } }
            }
        });
    }
}
async fn futures_poll_once<F: Future + Unpin>(f: &mut F) {
    std::future::poll_fn(|cx| {
        let _ = Pin::new(&mut *f).poll(cx);
        std::task::Poll::Ready(())
    })
    .await
}
