#pragma once

#include <string>
#include <vector>

#include "e2e/run_test.hpp"

namespace pgeist::test {

/// Three tables that refer to each other in every way: person ← orders ← item; a person's favourite is an order, a
/// person has a boss.
class three_tables : public run_test {
protected:
    /// Definition, validity, comment of every foreign key.
    std::vector<std::string> constraints() {
        std::vector<std::string> lines;
        const auto found = sql().query(
            "SELECT conrelid::regclass || ' ' || conname || ' ' || pg_get_constraintdef(oid) || ' ' || "
            "coalesce(obj_description(oid, 'pg_constraint'), '') FROM pg_constraint WHERE contype = 'f' AND "
            "connamespace = 'public'::regnamespace ORDER BY 1");
        for (const row& line : found.rows) {
            lines.push_back(*line[0]);
        }
        return lines;
    }

    /// The rows of all three, whatever the types of their keys.
    std::string digest(const std::string& schema = "public") {
        return sql().scalar("SELECT md5(string_agg(line, ' ' ORDER BY line)) FROM (SELECT p::text FROM " + schema +
                            ".person p UNION ALL SELECT o::text FROM " + schema +
                            ".orders o UNION ALL SELECT i::text FROM " + schema + ".item i) AS all_rows (line)");
    }
};

}  // namespace pgeist::test
