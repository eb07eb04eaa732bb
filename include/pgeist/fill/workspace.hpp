#pragma once

#include "pgeist/fill/spec.hpp"
#include "pgeist/task/controls.hpp"
#include "pgeist/transfer/shared/workspace.hpp"

namespace pgeist::fill {

/// What filling works with: the parts that walk a table know it as a transfer from the table to itself.
struct workspace : transfer::workspace {
    const fill::spec& spec;
    task::controls& steering;
};

/// The table as a transfer from itself to itself; `spec::job_schema` is its schema.
[[nodiscard]] transfer::spec walked_table(const spec& of);

}  // namespace pgeist::fill
