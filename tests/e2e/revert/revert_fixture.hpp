#pragma once

#include <boost/json.hpp>

#include <memory>
#include <regex>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/table_description.hpp"
#include "support/table_rows.hpp"
#include "support/wait_for.hpp"

namespace pgeist::test {

/// A test that changes public.t revertibly and swaps it back.
class revert_test : public run_test {
protected:
    /// `pgeist run --revertible --alter …`, to the end.
    run_result run_revertible(const std::string& alter, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"--revertible", "--alter", alter});
        return run(std::move(more));
    }

    /// The same with a timed window, without waiting for the end; returns when the window is open.
    std::unique_ptr<pgeist_process> start_window(const std::string& alter, std::vector<std::string> more = {}) {
        more.insert(more.begin(), {"run", "--output", "json", "--table", "t", "--revertible", "--revert-window", "1h",
                                   "--alter", alter});
        auto process = std::make_unique<pgeist_process>(db().uri(), std::move(more));
        process->wait_for_phase("window");
        return process;
    }

    run_result revert(std::vector<std::string> more = {}) {
        more.insert(more.begin(), "1");
        return command("revert", std::move(more));
    }

    boost::json::object status() { return only_job(db().uri()); }

    /// A string of the status; empty for null.
    std::string told(const std::string& name) {
        const boost::json::object job = status();
        const boost::json::value& value = job.at(name);
        return value.is_null()     ? ""
               : value.is_string() ? std::string(value.as_string())
                                   : boost::json::serialize(value);
    }

    void wait_until_told(const std::string& name, const std::string& wanted) {
        wait_for(name + " = " + wanted, [&] { return told(name) == wanted; });
    }

    /// describe_table() without what pgeist keeps on the table for a way back, and without how far sequences have come.
    std::vector<std::string> definition(const std::string& schema = "public") {
        std::vector<std::string> lines;
        for (const std::string& line : describe_table(sql(), schema, "t")) {
            if (line.find("pgeist_") == std::string::npos) {
                lines.push_back(std::regex_replace(line, std::regex("last [0-9]+,"), "last n,"));
            }
        }
        return lines;
    }

    /// The table is the one it was: its OID and file, its definition, its rows.
    void expect_back(const table_state& before, const std::string& schema = "public") {
        EXPECT_EQ(table_identity(sql(), schema + ".t"), before.identity);
        EXPECT_EQ(table_digest(sql(), schema + ".t"), before.digest);
        std::vector<std::string> was;
        for (const std::string& line : before.description) {
            was.push_back(std::regex_replace(line, std::regex("last [0-9]+,"), "last n,"));
        }
        EXPECT_EQ(description_difference(was, definition(schema)), std::vector<std::string>{});
    }

    /// Every row with its place and the transaction that made it.
    std::string rows_and_places(const std::string& table = "public.t") {
        return sql().scalar(
            "SELECT coalesce(string_agg(concat(ctid, ' ', xmin, ' ', t), E'\\n' ORDER BY ctid), '') FROM " + table +
            " AS t");
    }

    std::string rows_as_text(const std::string& table = "public.t") {
        return sql().scalar("SELECT coalesce(string_agg(t::text, ' ' ORDER BY t::text), '') FROM " + table + " AS t");
    }
};

}  // namespace pgeist::test
