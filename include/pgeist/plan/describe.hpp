#pragma once

#include <string>
#include <vector>

#include "pgeist/plan/blueprint.hpp"
#include "pgeist/plan/change_request.hpp"
#include "pgeist/plan/server_repack.hpp"

namespace pgeist::plan {

/// A line of the plan that is not part of the blueprint: what a check found.
struct remark {
    bool refuses = false;
    std::string text;
    std::string hint;
};

/// A phase of the run, as a plan shows it.
struct phase_note {
    std::string name;
    std::string what;
    std::string lock;  ///< on the user's table
};

/// What `pgeist plan` shows. Without blueprint when a check refused before one could be made.
struct description {
    const change_request* change = nullptr;
    const plan::blueprint* blueprint = nullptr;
    std::vector<remark> remarks;
    std::vector<phase_note> phases;               ///< in order
    std::vector<std::string> way_back;            ///< of a --revertible run, a line a column
    const plan::server_repack* server = nullptr;  ///< of a --repack, where the server has its own
};

/// The plan for humans, several lines, ends with a newline.
[[nodiscard]] std::string describe(const description& what);

/// The SQL of copy, build, swap and finish, one statement a line with what it is for. `whole`: the swap with what every
/// swap does.
[[nodiscard]] std::string describe_sql(const blueprint& plan, const swap_plan& whole);

/// The same as one JSON object, on one line, without newline.
[[nodiscard]] std::string describe_json(const description& what);

}  // namespace pgeist::plan
