#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "pgeist/catalog/table.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/fill/spec.hpp"
#include "pgeist/pg/connection.hpp"

namespace pgeist::fill {

/// What is known beforehand of how a fill will go, for people.
struct outlook {
    std::vector<std::string> triggers;  ///< the user's, that will fire for each row written
    std::vector<std::string> not_hot;   ///< indexes that have a column that is set: updates are not HOT
    std::optional<double> changed;      ///< share of the rows that differ now, by a sample; nothing: not known
    std::string sample_failed;          ///< what a row of the sample has failed with; empty: none has
    std::int64_t fill_ms = 0;           ///< estimates
    std::int64_t copy_ms = 0;           ///< of the same done by `run --repack --set`
    bool can_be_copied = false;         ///< `run --repack --set` can do the same
    std::string copy_instead;           ///< why the copy is recommended; empty: it is not, or cannot do it
    std::vector<std::string> warnings;  ///< what else should be known
};

/// An expression gives a row another value each time, or might: it would, too, if the table had more columns.
class unsteady : public error {
public:
    explicit unsteady(const std::string& message, std::string hint = {})
        : error(exit_code::refused, message, std::move(hint)) {}
};

struct planned {
    fill::spec spec;
    fill::outlook outlook;
};

/// The plan of a fill of `source`, made in the transaction that is open. Expressions that mean something else in
/// another search_path become functions in schema `job_schema`, which is then made; `spec::leftovers` drops it. Reads a
/// sample of the rows. Locks: ACCESS SHARE on the table.
/// @throws error (refused) when the request is not valid, unsteady where it never would be; the transaction has then
/// failed
[[nodiscard]] awaitable<planned> plan_fill(pg::connection& session, const catalog::table& source, request asked,
                                           std::string job_schema);

/// For who will plan a fill of new columns later. @param key_index as request::key_index
/// @throws error (refused) when there is no key by which the rows can be walked
[[nodiscard]] awaitable<void> require_key(pg::connection& session, const catalog::table& source,
                                          std::optional<std::string> key_index);

/// The table of a request. @throws error (refused) when it is not there, is of a kind whose rows cannot be set where
/// they are, or this role may not do it
[[nodiscard]] awaitable<catalog::table> find_table(pg::connection& session, request asked);

}  // namespace pgeist::fill
