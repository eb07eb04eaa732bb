#pragma once

#include <string>

namespace pgeist::pg {

/// One SQL statement with a short label for messages and events ("create index orders_pkey").
struct statement {
    std::string label;
    std::string sql;
};

}  // namespace pgeist::pg
