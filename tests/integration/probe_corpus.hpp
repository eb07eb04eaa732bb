#pragma once

#include <ostream>
#include <vector>

namespace pgeist::test {

/// One kind of statement: what it does to real tables with rows, and what is said about it, must be the same.
struct corpus_case {
    const char* name;
    const char* setup;  ///< after corpus_setup
    const char* statement;
    int since = 14;
    int until = 99;
    const char* settings = "";  ///< of the session, as NAME=VALUE
    bool tried = true;          ///< false: the trial is to say that it does not try it
};

inline void PrintTo(const corpus_case& each, std::ostream* to) { *to << each.name; }

/// Makes schema app with the tables that all cases start with.
extern const char* const corpus_setup;

[[nodiscard]] std::vector<corpus_case> alter_table_cases();
[[nodiscard]] std::vector<corpus_case> column_type_cases();
[[nodiscard]] std::vector<corpus_case> partition_cases();
[[nodiscard]] std::vector<corpus_case> other_ddl_cases();

}  // namespace pgeist::test
