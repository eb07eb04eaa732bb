#pragma once

#include <memory>

#include "beside.hpp"
#include "pgeist/swap/one_moment.hpp"
#include "pgeist/tasks/rewrite/work.hpp"

namespace pgeist::group {

/// A table of a group, other than the one whose job leads, at work.
class member final : public rewrite::work {
public:
    using rewrite::work::at;
    using rewrite::work::changes;
    using rewrite::work::compare_as_asked;
    using rewrite::work::finish;
    using rewrite::work::has_been_swapped;
    using rewrite::work::keep_up;
    using rewrite::work::look_again;
    using rewrite::work::note_in_use;
    using rewrite::work::require_unchanged;
    using rewrite::work::tell_swap;
    using rewrite::work::work;
    using rewrite::work::workspace;
};

/// All that belongs to one, in the order in which it needs each other.
struct member_at_work : beside {
    /// `with` is the leader's, and outlives this object.
    member_at_work(const task::context& with, const task::kind& kind, worker_budget& budget, job::record record);

    const task::phase* reached;  ///< the one to be done next
    std::unique_ptr<member> work;
};

}  // namespace pgeist::group
