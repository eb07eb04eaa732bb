#pragma once

#include <optional>
#include <string>
#include <vector>

#include "pgeist/core/identifier.hpp"

namespace pgeist::plan {

/// `--copy-order`: in which order rows are copied.
enum class copy_order { automatic, key, heap };

/// What the user asked for, as given: CHANGE of the command line. Stored with the job so that `resume` can show it.
struct change_request {
    qualified_name table;  ///< `schema` empty: found through the user's own search_path
    std::vector<std::string>
        alters;                     ///< `--alter` and the statements of `--file`, in order: clauses or whole statements
    std::vector<std::string> sets;  ///< `--set`, each `COLUMN = EXPRESSION` over the old row's columns
    bool repack = false;            ///< `--repack`: same schema, rebuilt
    std::optional<std::string> key_index;  ///< `--key`: which unique index to walk
    plan::copy_order order = copy_order::automatic;
    std::optional<std::string> order_by;  ///< `--order-by`: columns, or an index; see plan/row_order.hpp

    /// One canonical line: equal texts mean the same change.
    [[nodiscard]] std::string describe() const;
};

}  // namespace pgeist::plan
