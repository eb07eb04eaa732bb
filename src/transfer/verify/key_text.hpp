#pragma once

#include <string>
#include <vector>

#include "pgeist/pg/result.hpp"

namespace pgeist::verify {

/// A result whose columns are those of a key: `1, north`, one text a row, for messages.
[[nodiscard]] inline std::vector<std::string> keys_of(const pg::result& rows) {
    std::vector<std::string> keys;
    for (int row = 0; row < rows.rows(); ++row) {
        std::string key = rows.text(row, 0);
        for (int column = 1; column < rows.columns(); ++column) {
            key += ", " + rows.text(row, column);
        }
        keys.push_back(std::move(key));
    }
    return keys;
}

}  // namespace pgeist::verify
