#pragma once

#include <cstdint>
#include <string>

namespace pgeist::test {

/// A table made at random, named "t", and a change of it.
struct random_schema {
    std::string setup;  ///< SQL to be run with the table's schema first in the search_path; @role@ stands for a role
    std::string alter;  ///< clauses of an ALTER TABLE; the server may refuse them
};

/// The same for the same seed and server version.
random_schema make_random_schema(std::uint64_t seed, int server_major);

}  // namespace pgeist::test
