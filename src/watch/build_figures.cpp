#include "pgeist/watch/build_figures.hpp"

#include <algorithm>
#include <array>

namespace pgeist::watch {

namespace {

constexpr auto least_time = std::chrono::milliseconds(1000);
constexpr double least_percent = 0.5;

/// Where a phase of the server's begins and ends, in percent of the statement.
struct stretch {
    std::string_view phase;
    double from;
    double to;
};

constexpr std::array plain{stretch{"initializing", 0, 0}, stretch{"building index: scanning table", 0, 60},
                           stretch{"building index: sorting", 60, 70},
                           stretch{"building index: loading tuples in tree", 70, 100},
                           stretch{"building index", 0, 100}};

constexpr std::array concurrent{stretch{"initializing", 0, 0},
                                stretch{"waiting for writers before build", 0, 0},
                                stretch{"building index: scanning table", 0, 35},
                                stretch{"building index: sorting", 35, 42},
                                stretch{"building index: loading tuples in tree", 42, 60},
                                stretch{"building index", 0, 60},
                                stretch{"waiting for writers before validation", 60, 60},
                                stretch{"index validation: scanning index", 60, 70},
                                stretch{"index validation: sorting", 70, 72},
                                stretch{"index validation: scanning table", 72, 99},
                                stretch{"waiting for old snapshots", 99, 99},
                                stretch{"waiting for readers", 99, 99}};

double share(std::int64_t done, std::int64_t total) {
    return total > 0 ? std::clamp(static_cast<double>(done) / static_cast<double>(total), 0.0, 1.0) : 0;
}

/// The server leaves the counters of a phase that has ended as they were: each is read only where it is counted.
double share_of(const build_row& row) {
    const bool tuples =
        row.phase.find("sorting") != std::string::npos || row.phase.find("loading") != std::string::npos;
    return tuples ? share(row.tuples_done, row.tuples_total) : share(row.blocks_done, row.blocks_total);
}

template <class Stretches>
double within(const Stretches& all, const build_row& row) {
    for (const stretch& each : all) {
        if (row.phase.starts_with(each.phase)) {
            return each.from + (each.to - each.from) * share_of(row);
        }
    }
    return 0;
}

}  // namespace

double percent_of(const build_row& row) {
    const bool is_concurrent = row.command.find("CONCURRENTLY") != std::string::npos;
    return is_concurrent ? within(concurrent, row) : within(plain, row);
}

void pace::add(time_point now, double percent) {
    if (!first_ || percent < last_.percent) {
        first_ = sample{now, percent};
    }
    last_ = sample{now, percent};
}

std::optional<double> pace::eta_seconds() const {
    if (!first_) {
        return std::nullopt;
    }
    const auto took = last_.at - first_->at;
    const double done = last_.percent - first_->percent;
    if (took < least_time || done < least_percent) {
        return std::nullopt;
    }
    return std::chrono::duration<double>(took).count() / done * (100 - last_.percent);
}

}  // namespace pgeist::watch
