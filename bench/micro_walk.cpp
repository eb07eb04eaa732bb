// Cutting the key space: sizes from measured times, and the gaps that a resumed run finds among its checkpoints.

#include <benchmark/benchmark.h>

#include "pgeist/walk/chunk_sizer.hpp"
#include "pgeist/walk/key_range.hpp"

namespace pgeist::bench {
namespace {

void chunk_sizes(benchmark::State& state) {
    walk::chunk_sizer sizer(std::chrono::milliseconds(500));
    for (auto _ : state) {
        sizer.measured(sizer.next(), std::chrono::microseconds(sizer.next() * 20));
        benchmark::DoNotOptimize(sizer.next());
    }
}
BENCHMARK(chunk_sizes);

/// Checkpoints of a long run, every tenth chunk missing.
void gaps_of_a_resumed_run(benchmark::State& state) {
    walk::finished_ranges finished;
    for (std::int64_t number = 0; number < state.range(0); ++number) {
        if (number % 10 != 0) {
            walk::key_range range;
            range.lower = std::vector<std::string>{std::to_string(number)};
            range.upper = std::vector<std::string>{std::to_string(number + 1)};
            finished.push_back(range);
        }
    }
    for (auto _ : state) {
        benchmark::DoNotOptimize(walk::gaps(finished));
    }
    state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(gaps_of_a_resumed_run)->Arg(1'000)->Arg(100'000);

}  // namespace
}  // namespace pgeist::bench
