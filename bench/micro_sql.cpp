// What building SQL and reading plans costs the tool itself: once a chunk or batch, so microseconds do not matter; this
// shows it.

#include <benchmark/benchmark.h>

#include "pgeist/transfer/copy/copier.hpp"
#include "pgeist/transfer/replay/replay_sql.hpp"
#include "pgeist/transfer/verify/verify_sql.hpp"
#include "sample_plan.hpp"

namespace pgeist::bench {
namespace {

const walk::key_range range{std::vector<std::string>{"1000"}, std::vector<std::string>{"2000"}};

void chunk_sql(benchmark::State& state) {
    const transfer::spec transfer = sample_plan(static_cast<int>(state.range(0))).transfer();
    for (auto _ : state) {
        benchmark::DoNotOptimize(copy::chunk_sql(transfer, range));
    }
}
BENCHMARK(chunk_sql)->Arg(8)->Arg(200);

void verify_sql(benchmark::State& state) {
    const transfer::spec transfer = sample_plan(static_cast<int>(state.range(0))).transfer();
    const verify::statements statements(transfer);
    for (auto _ : state) {
        benchmark::DoNotOptimize(statements.compare(range));
    }
}
BENCHMARK(verify_sql)->Arg(8)->Arg(200);

void replay_sql(benchmark::State& state) {
    const transfer::spec transfer = sample_plan(static_cast<int>(state.range(0))).transfer();
    const replay::selection all;
    for (auto _ : state) {
        benchmark::DoNotOptimize(replay::insert_sql(transfer, all));
    }
}
BENCHMARK(replay_sql)->Arg(8)->Arg(200);

void blueprint_json(benchmark::State& state) {
    const plan::blueprint plan = sample_plan(static_cast<int>(state.range(0)));
    for (auto _ : state) {
        benchmark::DoNotOptimize(plan::blueprint_from_json(plan::to_json(plan)));
    }
}
BENCHMARK(blueprint_json)->Arg(8)->Arg(200);

}  // namespace
}  // namespace pgeist::bench
