#pragma once

#include <string>
#include <vector>

#include "support/pgeist_process.hpp"
#include "support/test_database.hpp"

namespace pgeist::test {

/// A table at one moment: the same OID and file, definition and rows mean that nobody touched it.
struct table_state {
    std::string identity;
    std::vector<std::string> description;
    std::string digest;
};

/// A test that runs the program on a table `public.t` of its own database.
class run_test : public database_test {
protected:
    /// Makes public.t (id int primary key, note text, amount numeric, code int) with ids 1 … rows.
    void make_table(int rows);

    /// `pgeist run -d … --table t` with more arguments.
    run_result run(std::vector<std::string> arguments);

    /// The same, without waiting for the end, with --output json.
    pgeist_process start(std::vector<std::string> arguments);

    /// `pgeist COMMAND -d …` with more arguments.
    run_result command(const std::string& name, std::vector<std::string> arguments = {});

    table_state state_of(const std::string& table = "t", const std::string& schema = "public");

    /// The table is the one it was, with the same definition and rows.
    void expect_unchanged(const table_state& before, const std::string& table = "t",
                          const std::string& schema = "public");

    /// Until no session of pgeist's is in the database any more: it was killed, or cut off.
    void wait_for_end_of_sessions();

    /// Nothing of pgeist's is in the database.
    void expect_nothing_left();

    /// `pgeist cleanup --all` succeeds and leaves nothing.
    void expect_cleanup_leaves_nothing();

    /// Type of a column of public.t.
    std::string type_of(const std::string& column, const std::string& table = "public.t");

    /// The note of a row of public.t, "NULL" for null, "no row" when there is none.
    std::string note_of(long long id);
};

}  // namespace pgeist::test
