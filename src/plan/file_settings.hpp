#pragma once

#include <string>
#include <vector>

#include "pgeist/plan/migration_file.hpp"

namespace pgeist::plan {

/// What the SETs of a file have made of the session so far.
class file_settings {
public:
    /// Takes a SET or RESET, or a `SELECT set_config(…)`. `transaction` is the file's own count of transactions.
    /// @returns why it has no effect here; empty: it has one, or is none of these
    [[nodiscard]] std::string take(const ddl::statement& what, std::size_t transaction);

    /// What holds in this transaction of the file.
    [[nodiscard]] std::vector<file_setting> now(std::size_t transaction) const;

private:
    struct kept {
        file_setting what;
        std::size_t transaction = 0;  ///< of a SET LOCAL; 0: until it is set otherwise
    };
    void put(file_setting what, std::size_t transaction);
    void reset(const std::string& name);

    std::vector<kept> all_;
};

}  // namespace pgeist::plan
