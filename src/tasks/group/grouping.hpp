#pragma once

#include <memory>

#include "of_group.hpp"
#include "pgeist/tasks/rewrite/kind.hpp"

namespace pgeist::group {

/// What a group's exchange and its rehearsal have in common.
class grouping : public of_group<rewrite::rewriting> {
public:
    using of_group::of_group;

    [[nodiscard]] std::unique_ptr<task::work> take_up(const task::context& with, const job::record& job) const override;
};

}  // namespace pgeist::group
