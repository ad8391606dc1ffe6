module downhaul/bench/rivals/go

go 1.23
