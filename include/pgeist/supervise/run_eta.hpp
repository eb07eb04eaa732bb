#pragma once

#include <optional>
#include <vector>

namespace pgeist::supervise {

/// When a whole run will be done: what is left of its phase as the phase tells it, and what the others will take by
/// estimate, corrected by how far the estimates of this run have been off. Pure.
class run_eta {
public:
    /// `expected`: seconds that each phase takes, by estimate, in order; `now`: which of them is at work; `left`:
    /// seconds until its end, if it can tell; `done`: the part of it that is done, 0 … 1, if it can tell.
    /// @returns nothing where nothing is known but estimates, which may be off by any factor
    [[nodiscard]] std::optional<double> seconds(const std::vector<double>& expected, std::size_t now,
                                                std::optional<double> left, std::optional<double> done);

private:
    std::optional<double> slower_;  ///< than expected: this many times, by the last phase that could tell
};

}  // namespace pgeist::supervise
