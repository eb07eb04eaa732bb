#include "keep_sql.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "pgeist/transfer/image.hpp"
#include "pgeist/transfer/touched.hpp"
#include "pgeist/walk/key_values.hpp"

// Expressions name columns of the read or the write side without qualification. So whatever else stands beside them in
// a statement has names that begin with pgeist_; and expressions over the write side have a level of their own, where
// only its columns are in sight.

namespace pgeist::replay {

namespace {

template <class Each>
std::string numbered(std::size_t count, Each each) {
    std::vector<std::string> items;
    for (std::size_t at = 1; at <= count; ++at) {
        items.push_back(each(at));
    }
    return join(items, ", ");
}

std::string within(const numbers& of, const char* column) {
    return fmt::format("{0} >= {1} AND {0} < {2}", column, of.first, of.end);
}

/// `b.k1 AS k1` for places under another name: `o` of `b.o1 AS k1`.
std::string keys_from(const walk::key& key, const char* alias, char letter) {
    return numbered(key.columns.size(),
                    [&](std::size_t at) { return fmt::format("{}.{}{} AS k{}", alias, letter, at, at); });
}

std::string names(const walk::key& key, const char* alias, char letter) {
    return numbered(key.columns.size(), [&](std::size_t at) { return fmt::format("{}{}{}", alias, letter, at); });
}

bool keeps_history(const transfer::spec& transfer) { return transfer.mode == transfer::replay_mode::keep; }

/// `column price: 1.234 would come back as 1.23`
std::string would_be_another(const std::string& column, const std::string& value, const std::string& back) {
    const auto shown = [](const std::string& what) { return fmt::format("left(format('%s', {}), 60)", what); };
    return fmt::format("concat({}, {}, ' would come back as ', {})",
                       quote_literal("column " + display_identifier(column) + ": "), shown(value), shown(back));
}

}  // namespace

std::string keep_statements::written_columns(const std::string& alias) const {
    const auto& columns = transfer_->columns;
    return numbered(columns.size(), [&](std::size_t at) {
        return fmt::format("{}.{} AS c{}", alias, quote_identifier(columns[at - 1].name), at);
    });
}

std::string keep_statements::named_columns(const std::string& alias) const {
    const auto& columns = transfer_->columns;
    return numbered(columns.size(), [&](std::size_t at) {
        return fmt::format("{}c{} AS {}", alias, at, quote_identifier(columns[at - 1].name));
    });
}

std::string keep_statements::kept_columns(const std::string& alias) const {
    return numbered(transfer_->columns.size(), [&](std::size_t at) { return fmt::format("{}c{}", alias, at); });
}

std::string keep_statements::written_key(const std::string& alias) const {
    const auto& columns = transfer_->key.columns;
    return numbered(columns.size(), [&](std::size_t at) {
        const walk::key_column& column = columns[at - 1];
        return fmt::format("CAST({}.{} AS {}) AS k{}", alias, quote_identifier(column.write_name), column.type, at);
    });
}

std::string keep_statements::look() const {
    const std::string links =
        keeps_history(*transfer_) ? fmt::format("EXISTS (SELECT FROM {})", transfer_->links().sql()) : "false";
    return fmt::format(
        "SELECT {0} AS links, EXISTS (SELECT FROM {1}) AS unfit, "
        "EXISTS (SELECT FROM {1} WHERE state IN ('23505', '23P01')) AS conflicts",
        links, transfer_->unfit().sql());
}

namespace {

/// `keys` has k1 …, o1 … (the key under which the write side has the row) and `born`.
std::string fill_from(const keep_statements& sql, const transfer::spec& transfer, const std::string& keys) {
    const std::size_t columns = transfer.columns.size();
    const std::string had = numbered(
        columns, [](std::size_t at) { return fmt::format("CASE WHEN o.lived THEN o.c{0} ELSE u.c{0} END", at); });
    const std::string where = fmt::format("(SELECT {}) AS g", keys_from(transfer.key, "b", 'o'));
    const bool touched = transfer::logs_touched(transfer);
    const std::string none = transfer::none_touched(transfer);
    return fmt::format(
        "INSERT INTO {batch} (n, {keys}, lived, {columns}, since{beside}) "
        "SELECT row_number() OVER (), {of_b}, coalesce(o.lived, u.lived, false), {had}, u.since{of_row} FROM ({from}) "
        "AS b "
        "LEFT JOIN LATERAL (SELECT true AS lived, {written} FROM {where} JOIN {write} AS t ON {found} WHERE NOT b.born "
        "LIMIT 1) AS o ON true "
        "LEFT JOIN LATERAL (SELECT x.lived, x.since, {set_apart} FROM {where} JOIN {unfit} AS x ON {found_apart} WHERE "
        "NOT "
        "b.born LIMIT 1) AS u ON true{remembered}",
        fmt::arg("beside", touched ? ", made, touched, held" : ""),
        fmt::arg("of_row", touched ? fmt::format(", NOT coalesce(o.lived, u.lived, false) OR coalesce(x.made, false), "
                                                 "coalesce(b.touched, {0}) | coalesce(x.touched, {0}), x.held",
                                                 none)
                                   : std::string()),
        fmt::arg("remembered",
                 touched ? fmt::format(" LEFT JOIN LATERAL (SELECT x.made, x.touched, x.held FROM {} JOIN {} AS x ON "
                                       "{} WHERE NOT b.born LIMIT 1) AS x ON true",
                                       where, transfer.since().sql(), walk::log_equals_log(transfer.key, "x", "g"))
                         : std::string()),
        fmt::arg("batch", transfer.batch().sql()), fmt::arg("keys", walk::log_columns(transfer.key)),
        fmt::arg("columns", sql.kept_columns()), fmt::arg("of_b", names(transfer.key, "b.", 'k')), fmt::arg("had", had),
        fmt::arg("from", keys), fmt::arg("written", sql.written_columns("t")), fmt::arg("where", where),
        fmt::arg("write", transfer.write.name.sql()), fmt::arg("found", walk::write_equals_log(transfer.key, "t", "g")),
        fmt::arg("set_apart", sql.kept_columns("x.")), fmt::arg("unfit", transfer.unfit().sql()),
        fmt::arg("found_apart", walk::log_equals_log(transfer.key, "x", "g")));
}

}  // namespace

std::string keep_statements::fill(const selection& rows) const {
    const walk::key& key = transfer_->key;
    const std::string same =
        numbered(key.columns.size(), [](std::size_t at) { return fmt::format("l.k{0} AS o{0}", at); });
    const std::string born = keeps_history(*transfer_) ? "count(l.born) > 0" : "false";
    return fill_from(*this, *transfer_,
                     fmt::format("SELECT {0}, {1}, {2} AS born{5} FROM {3} AS l{4} GROUP BY {0}", names(key, "l.", 'k'),
                                 same, born, transfer_->log().sql(), condition(*transfer_, rows),
                                 transfer::logs_touched(*transfer_) ? ", bit_or(l.touched) AS touched" : ""));
}

std::string keep_statements::note_arrivals() const {
    const walk::key& key = transfer_->key;
    const std::string keys = walk::log_columns(key);
    const std::string from = names(key, "", 'f');
    return fmt::format(
        "INSERT INTO {0}.pgeist_arrivals ({1}, {2}, number, linked) SELECT {1}, {2}, number, true FROM {3}; "
        "INSERT INTO {0}.pgeist_arrivals ({1}, number, linked) SELECT {1}, born, false FROM {4} WHERE born IS DISTINCT "
        "FROM "
        "NULL; SELECT {0}.births_before_links(){5}",
        quote_identifier(transfer_->schema), keys, from, transfer_->links().sql(), transfer_->log().sql(),
        transfer::logs_touched(*transfer_)
            ? fmt::format("; INSERT INTO {0}.pgeist_touches ({1}, number, touched) SELECT {1}, number, touched FROM "
                          "{2} WHERE touched IS NOT NULL",
                          quote_identifier(transfer_->schema), keys, transfer_->log().sql())
            : std::string());
}

namespace {

/// What was touched on each part of the way, each at one key: after the row had come under it, `since_then`, and before
/// it left it, `number`. What another row did under the same key, earlier or later, is none of its business. What the
/// comparison asked for has no number, and counts wherever it stands.
std::string touched_on_the_way(const transfer::spec& transfer) {
    const walk::key& key = transfer.key;
    const std::string at = fmt::format("(SELECT {}) AS g", keys_from(key, "w", 'o'));
    const std::string touches = fmt::format("SELECT e.touched FROM {} JOIN {}.pgeist_touches AS e ON {}", at,
                                            quote_identifier(transfer.schema), walk::log_equals_log(key, "e", "g"));
    return fmt::format(
        "LEFT JOIN LATERAL (SELECT bit_or(e.touched) AS touched FROM ({0} WHERE e.number > coalesce(w.since_then, "
        "'0/0') "
        "AND e.number < coalesce(w.number, 'FFFFFFFF/FFFFFFFF') UNION ALL {0} WHERE e.number IS NULL) AS e) AS e ON "
        "true ",
        touches);
}

}  // namespace

// From the current key back to the one that the row had when replay last saw it: each step leads to the last arrival
// before the one that led here. A row has only ever come by the last arrival; what left its key before does not matter.
// Where no row is any more nothing is looked for: a key that a row has long left would else be the way's begin once
// more (one row whose key changed n times: n²/2 steps).
std::string keep_statements::fill_by_links() const {
    const walk::key& key = transfer_->key;
    const std::string keys = walk::log_columns(key);
    const std::string history =
        keeps_history(*transfer_) ? fmt::format("UNION ALL SELECT {} FROM {} ", keys, transfer_->links().sql()) : "";
    const std::string all =
        fmt::format("SELECT {0} FROM {1} {2}UNION ALL SELECT {0} FROM {3} WHERE state IN ('23505', '23P01')", keys,
                    transfer_->log().sql(), history, transfer_->unfit().sql());
    const std::string distinct = fmt::format("SELECT DISTINCT {0} FROM ({1}) AS l", names(key, "l.", 'k'), all);
    if (!keeps_history(*transfer_)) {
        return fill_from(
            *this, *transfer_,
            fmt::format("SELECT {0}, {1}, false AS born FROM ({2}) AS l", names(key, "l.", 'k'),
                        numbered(key.columns.size(), [](std::size_t at) { return fmt::format("l.k{0} AS o{0}", at); }),
                        distinct));
    }
    const std::string at = fmt::format("(SELECT {}) AS g", keys_from(key, "w", 'o'));
    const bool touched = transfer::logs_touched(*transfer_);
    return fill_from(
        *this, *transfer_,
        fmt::format(
            "WITH RECURSIVE way AS (SELECT {k_of_l}, {o_of_l}, NULL::pg_lsn AS number, s.present IS NULL AS born FROM "
            "({distinct}) AS l LEFT JOIN LATERAL (SELECT true AS present FROM ONLY {read} AS s WHERE {is_there} LIMIT "
            "1) AS s ON true "
            "UNION ALL SELECT {k_of_w}, {f_of_a}, a.number, NOT a.linked FROM way AS w CROSS JOIN LATERAL ("
            "SELECT a.* FROM {at} JOIN {schema}.pgeist_arrivals AS a ON {same} "
            "WHERE w.number IS NULL OR a.number < w.number ORDER BY a.number DESC LIMIT 1) AS a WHERE NOT w.born) "
            "SELECT DISTINCT ON ({k_of_w}) {k_of_w}, {o_of_w}, w.born{touched} FROM {parts} AS w {touches}ORDER BY "
            "{k_of_w}, w.number NULLS LAST",
            fmt::arg("touched", touched ? fmt::format(", bit_or(e.touched) OVER (PARTITION BY {}) AS touched",
                                                      names(key, "w.", 'k'))
                                        : std::string()),
            fmt::arg("parts", touched ? fmt::format("(SELECT w.*, lead(w.number) OVER (PARTITION BY {} ORDER BY "
                                                    "w.number DESC NULLS FIRST) AS since_then FROM way AS w)",
                                                    names(key, "w.", 'k'))
                                      : std::string("way")),
            fmt::arg("touches", touched ? touched_on_the_way(*transfer_) : std::string()),
            fmt::arg("k_of_l", names(key, "l.", 'k')),
            fmt::arg("o_of_l",
                     numbered(key.columns.size(), [](std::size_t n) { return fmt::format("l.k{0} AS o{0}", n); })),
            fmt::arg("distinct", distinct), fmt::arg("read", transfer_->read.name.sql()),
            fmt::arg("is_there", walk::read_equals_log(key, "s", "l")), fmt::arg("k_of_w", names(key, "w.", 'k')),
            fmt::arg("f_of_a", names(key, "a.", 'f')), fmt::arg("at", at),
            fmt::arg("schema", quote_identifier(transfer_->schema)),
            fmt::arg("same", walk::log_equals_log(key, "a", "g")), fmt::arg("o_of_w", names(key, "w.", 'o'))));
}

std::string keep_statements::take_out(const numbers& of) const { return take_out_where(within(of, "b.n")); }

std::string keep_statements::take_out_where(const std::string& condition) const {
    const std::string keys = fmt::format("SELECT {} FROM {} AS b WHERE {}", names(transfer_->key, "b.", 'k'),
                                         transfer_->batch().sql(), condition);
    const std::string same = walk::write_equals_log(transfer_->key, "t", "b");
    if (transfer_->write.has_leaves) {
        return fmt::format("DELETE FROM {} AS t USING ({}) AS b WHERE {}", transfer_->write.name.sql(), keys, same);
    }
    // As in replay_sql.cpp: by the key's index, whatever the planner thinks.
    return fmt::format(
        "DELETE FROM {0} AS t WHERE t.ctid = ANY (ARRAY(SELECT f.ctid FROM ({1}) AS b CROSS JOIN LATERAL (SELECT "
        "t.ctid "
        "FROM {0} AS t WHERE {2} OFFSET 0) AS f))",
        transfer_->write.name.sql(), keys, same);
}

std::string keep_statements::take_out_unfit(const numbers& of) const {
    return fmt::format(
        "DELETE FROM {0} AS u WHERE u.ctid = ANY (ARRAY(SELECT f.ctid FROM {1} AS b CROSS JOIN LATERAL (SELECT u.ctid "
        "FROM "
        "{0} AS u WHERE {2} OFFSET 0) AS f WHERE {3}))",
        transfer_->unfit().sql(), transfer_->batch().sql(), walk::log_equals_log(transfer_->key, "u", "b"),
        within(of, "b.n"));
}

std::string keep_statements::batch_rows(const numbers& of, const char* condition) const {
    const std::string keys = numbered(transfer_->key.columns.size(),
                                      [](std::size_t at) { return fmt::format("b.k{0} AS pgeist_k{0}", at); });
    const std::string values =
        numbered(transfer_->columns.size(), [](std::size_t at) { return fmt::format("b.c{0} AS pgeist_c{0}", at); });
    return fmt::format(
        "(SELECT b.n AS pgeist_n, {}, {}{} FROM {} AS b WHERE {} AND b.state IS NULL AND {}) AS pgeist_b", keys, values,
        transfer::logs_touched(*transfer_)
            ? ", b.made AS pgeist_made, b.touched AS pgeist_touched, b.held AS pgeist_held"
            : "",
        transfer_->batch().sql(), within(of, "b.n"), condition);
}

/// LATERAL and OFFSET 0: as in replay_sql.cpp.
std::string keep_statements::read_row() const {
    const std::string key = fmt::format("(SELECT {}) AS g", numbered(transfer_->key.columns.size(), [](std::size_t at) {
                                            return fmt::format("pgeist_b.pgeist_k{0} AS k{0}", at);
                                        }));
    return fmt::format("CROSS JOIN LATERAL (SELECT s.* FROM {}, ONLY {} AS s WHERE {} OFFSET 0) AS s", key,
                       transfer_->read.name.sql(), walk::read_equals_log(transfer_->key, "s", "g"));
}

/// What the read side has as long as nobody has changed it, from `row`, the write side's columns.
std::string keep_statements::inverses(const std::string& row) const {
    std::vector<std::string> values;
    for (std::size_t at = 0; at < transfer_->columns.size(); ++at) {
        const transfer::column& column = transfer_->columns[at];
        if (column.proven) {
            values.push_back(fmt::format("CAST({} AS {}) AS pgeist_v{}", *column.inverse, column.read_type, at + 1));
        }
    }
    return values.empty() ? ""
                          : fmt::format("CROSS JOIN LATERAL (SELECT {} FROM {}) AS pgeist_f", join(values, ", "), row);
}

std::string keep_statements::brought(std::size_t place) const {
    const transfer::column& column = transfer_->columns[place];
    return fmt::format("CAST({} AS {})", *column.expression, transfer::loose_type(column.type));
}

/// Whether the read side has what the write side's value gives by the conversion.
std::string keep_statements::is_same(std::size_t place) const {
    const transfer::column& column = transfer_->columns[place];
    const std::string now = "s." + quote_identifier(*column.read_name);
    if (column.proven) {
        return fmt::format(
            "NOT {}", transfer::image_differs(column.read_type, fmt::format("pgeist_f.pgeist_v{}", place + 1), now));
    }
    return fmt::format("{}.pgeist_same_{}(ROW({})::{}, {}) IS TRUE", quote_identifier(transfer_->schema), place + 1,
                       kept_columns("pgeist_b.pgeist_"), transfer_->write_row().sql(), now);
}

std::string keep_statements::digest(std::size_t place, const std::string& written) const {
    const transfer::column& column = transfer_->columns[place];
    return fmt::format("{}.pgeist_digest_{}(s.{}, {})", quote_identifier(transfer_->schema), place + 1,
                       quote_identifier(*column.read_name), written);
}

/// Whether nobody has touched a value as far as both sides tell, for rows that the comparison asks for.
std::string keep_statements::seems_untouched(std::size_t place) const {
    const transfer::column& column = transfer_->columns[place];
    const bool comparable = column.inverse && column.compared;
    if (!comparable) {
        return "true";
    }
    const std::string held =
        transfer::is_held(column)
            ? fmt::format(" OR pgeist_b.pgeist_held[{}] = {}", *transfer::touched_bit(*transfer_, place),
                          digest(place, fmt::format("pgeist_b.pgeist_c{}", place + 1)))
            : std::string();
    return fmt::format("({}{})", is_same(place), held);
}

std::string keep_statements::lived_value(std::size_t place) const {
    const transfer::column& column = transfer_->columns[place];
    const std::string kept = fmt::format("pgeist_b.pgeist_c{}", place + 1);
    if (column.kept) {
        const bool by_row = column.remembered && column.expression && transfer::logs_touched(*transfer_);
        return by_row ? fmt::format("CASE WHEN pgeist_b.pgeist_made THEN {} ELSE {} END", brought(place), kept) : kept;
    }
    const auto bit = transfer::touched_bit(*transfer_, place);
    if (bit) {
        return fmt::format(
            "CASE WHEN get_bit(pgeist_b.pgeist_touched, {bit}) = 1 THEN {brought} WHEN "
            "get_bit(pgeist_b.pgeist_touched, "
            "0) = 0 THEN {kept} WHEN {untouched} THEN {kept} ELSE {brought} END",
            fmt::arg("bit", *bit), fmt::arg("brought", brought(place)), fmt::arg("kept", kept),
            fmt::arg("untouched", seems_untouched(place)));
    }
    if (!column.inverse) {
        return *column.expression;
    }
    return fmt::format("CASE WHEN {} THEN {} ELSE {} END", is_same(place), kept, brought(place));
}

std::string keep_statements::insert_lived(const numbers& of) const {
    std::vector<std::string> targets;
    std::vector<std::string> values;
    for (std::size_t at = 0; at < transfer_->columns.size(); ++at) {
        const transfer::column& column = transfer_->columns[at];
        if (column.kept || column.expression) {
            targets.push_back(quote_identifier(column.name));
            values.push_back(lived_value(at));
        }
    }
    return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} {} {}",
                       transfer_->write.name.sql(), join(targets, ", "), join(values, ", "), batch_rows(of, "b.lived"),
                       read_row(), inverses(fmt::format("(SELECT {}) AS o", named_columns("pgeist_b.pgeist_"))));
}

std::string keep_statements::insert_new(const numbers& of) const {
    std::vector<std::string> targets;
    std::vector<std::string> values;
    for (const transfer::column& column : transfer_->columns) {
        if (column.expression) {
            targets.push_back(quote_identifier(column.name));
            values.push_back(*column.expression);
        }
    }
    return fmt::format("INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {} {}", transfer_->write.name.sql(),
                       join(targets, ", "), join(values, ", "), batch_rows(of, "NOT b.lived"), read_row());
}

bool keep_statements::proves() const {
    return std::any_of(transfer_->columns.begin(), transfer_->columns.end(),
                       [](const transfer::column& each) { return each.proven; });
}

/// What is told of the first value that does not go back; null when all do.
std::string keep_statements::what_changed() const {
    std::string cases;
    for (std::size_t at = 0; at < transfer_->columns.size(); ++at) {
        const transfer::column& column = transfer_->columns[at];
        if (column.proven) {
            const std::string value = fmt::format("pgeist_f.pgeist_v{}", at + 1);
            const std::string now = "s." + quote_identifier(*column.read_name);
            cases += fmt::format(" WHEN {} THEN {}", transfer::value_differs(column.read_type, value, now),
                                 would_be_another(*column.read_name, now, value));
        }
    }
    return "CASE" + cases + " END";
}

namespace {

/// The write side's type of a part of the key, empty where it takes each value of the read side as it is, or refuses
/// it.
std::string lossy_type(const transfer::spec& transfer, const walk::key_column& part) {
    const auto found = std::find_if(transfer.columns.begin(), transfer.columns.end(),
                                    [&](const transfer::column& each) { return each.name == part.write_name; });
    const bool safe = found == transfer.columns.end() || found->type == part.type ||
                      transfer::is_exact_widening(found->type, part.type) ||
                      transfer::is_exact_widening(part.type, found->type);
    return safe ? "" : found->type;
}

}  // namespace

bool keep_statements::may_lose_keys() const {
    return std::any_of(transfer_->key.columns.begin(), transfer_->key.columns.end(),
                       [&](const walk::key_column& each) { return !lossy_type(*transfer_, each).empty(); });
}

std::string keep_statements::mark_lost_keys(const numbers& of) const {
    std::string cases;
    for (std::size_t at = 0; at < transfer_->key.columns.size(); ++at) {
        const walk::key_column& part = transfer_->key.columns[at];
        const std::string type = lossy_type(*transfer_, part);
        if (type.empty()) {
            continue;
        }
        const std::string value = fmt::format("pgeist_b.pgeist_k{}", at + 1);
        const std::string back = fmt::format("CAST(CAST({} AS {}) AS {})", value, type, part.type);
        cases += fmt::format(" WHEN {} THEN {}", transfer::value_differs(part.type, back, value),
                             would_be_another(part.read_name, value, back));
    }
    return mark("CASE" + cases + " END", fmt::format("{} {}", batch_rows(of, "true"), read_row()));
}

/// Marks rows of the batch for which `reason` is not null, with it. Not by a join: the batch is empty between batches,
/// so the planner may think it has one row, and ask for the reasons of all rows anew for each of them.
std::string keep_statements::mark(const std::string& reason, const std::string& from) const {
    return fmt::format(
        "WITH m AS MATERIALIZED (SELECT * FROM (SELECT pgeist_b.pgeist_n, {1} AS pgeist_reason FROM {2} OFFSET 0) AS m "
        "WHERE m.pgeist_reason IS NOT NULL) UPDATE {0} AS b SET state = '22000', reason = (SELECT "
        "jsonb_object_agg(m.pgeist_n, m.pgeist_reason) FROM m) ->> b.n::text WHERE b.n = ANY (ARRAY(SELECT m.pgeist_n "
        "FROM m))",
        transfer_->batch().sql(), reason, from);
}

std::string keep_statements::mark_changed(const numbers& of) const {
    const std::string key = fmt::format("(SELECT {}) AS g", numbered(transfer_->key.columns.size(), [](std::size_t at) {
                                            return fmt::format("pgeist_b.pgeist_k{0} AS k{0}", at);
                                        }));
    const std::string written = fmt::format(
        "CROSS JOIN LATERAL (SELECT {} FROM {}, {} AS t WHERE {} OFFSET 0) AS pgeist_t", written_columns("t"), key,
        transfer_->write.name.sql(), walk::write_equals_log(transfer_->key, "t", "g"));
    return mark(what_changed(), fmt::format("{} {} {} {}", batch_rows(of, "true"), read_row(), written,
                                            inverses(fmt::format("(SELECT {}) AS o", named_columns("pgeist_t.")))));
}

std::string keep_statements::take_out_marked() const { return take_out_where("b.state IS NOT NULL"); }

std::string keep_statements::stage(const numbers& of) const {
    std::vector<std::string> targets{"n"};
    std::vector<std::string> lived{"pgeist_b.pgeist_n"};
    std::vector<std::string> anew{"pgeist_b.pgeist_n"};
    for (std::size_t at = 0; at < transfer_->key.columns.size(); ++at) {
        targets.push_back(fmt::format("k{}", at + 1));
        lived.push_back(fmt::format("pgeist_b.pgeist_k{}", at + 1));
        anew.push_back(lived.back());
    }
    for (std::size_t at = 0; at < transfer_->columns.size(); ++at) {
        const transfer::column& column = transfer_->columns[at];
        if (column.kept || column.expression) {
            targets.push_back(fmt::format("c{}", at + 1));
            lived.push_back(lived_value(at));
            anew.push_back(column.expression.value_or("NULL"));
        }
    }
    const std::string into = fmt::format("INSERT INTO {}.pgeist_stage ({}) SELECT ",
                                         quote_identifier(transfer_->schema), join(targets, ", "));
    return fmt::format("{0}{1} FROM {2} {3} {4}; {0}{5} FROM {6} {3}", into, join(lived, ", "),
                       batch_rows(of, "b.lived"), read_row(),
                       inverses(fmt::format("(SELECT {}) AS o", named_columns("pgeist_b.pgeist_"))), join(anew, ", "),
                       batch_rows(of, "NOT b.lived"));
}

/// What the server generates is not in the stage.
bool keep_statements::can_prove_in_stage() const {
    return proves() && std::all_of(transfer_->columns.begin(), transfer_->columns.end(),
                                   [](const transfer::column& each) { return each.kept || each.expression; });
}

std::string keep_statements::mark_changed_in_stage(const numbers& of) const {
    const std::string staged = fmt::format(
        "CROSS JOIN LATERAL (SELECT {} FROM {}.pgeist_stage AS x WHERE x.n = pgeist_b.pgeist_n OFFSET 0) AS "
        "pgeist_t",
        kept_columns("x."), quote_identifier(transfer_->schema));
    return mark(what_changed(), fmt::format("{} {} {} {}", batch_rows(of, "true"), read_row(), staged,
                                            inverses(fmt::format("(SELECT {}) AS o", named_columns("pgeist_t.")))));
}

std::string keep_statements::set_apart() const {
    const std::string columns = walk::log_columns(transfer_->key) + ", lived, " + kept_columns() + ", state, reason";
    return fmt::format(
        "INSERT INTO {0} ({1}, since) SELECT {1}, coalesce(since, clock_timestamp()) FROM {2} WHERE state IS NOT NULL",
        transfer_->unfit().sql(), columns, transfer_->batch().sql());
}

// What was remembered of the batch's keys gives way to what is known of their rows now. Rows that were only taken in,
// being in another's way, have `touched` null: nothing is known of them anew.
std::string keep_statements::forget_since() const {
    return fmt::format(
        "DELETE FROM {0} AS x WHERE x.ctid = ANY (ARRAY(SELECT f.ctid FROM {1} AS b CROSS JOIN LATERAL (SELECT x.ctid "
        "FROM {0} AS x WHERE {2} OFFSET 0) AS f WHERE b.touched IS DISTINCT FROM NULL))",
        transfer_->since().sql(), transfer_->batch().sql(), walk::log_equals_log(transfer_->key, "x", "b"));
}

/// The digests to be noted of a value: of one that was kept, and of one that was brought, where it may outlive what it
/// was computed from.
std::string keep_statements::held_value(std::size_t place, std::size_t bit) const {
    const std::string kept =
        fmt::format("WHEN pgeist_b.pgeist_lived AND get_bit(pgeist_b.pgeist_touched, {}) = 0 AND {} THEN {}", bit,
                    seems_untouched(place), digest(place, fmt::format("pgeist_b.pgeist_c{}", place + 1)));
    if (!transfer::holds_what_was_brought(*transfer_, place)) {
        return fmt::format("CASE {} END", kept);
    }
    const transfer::column& column = transfer_->columns[place];
    return fmt::format(
        "CASE {} WHEN pgeist_b.pgeist_state IS NULL AND (NOT pgeist_b.pgeist_lived OR "
        "get_bit(pgeist_b.pgeist_touched, {}) = 1 OR get_bit(pgeist_b.pgeist_touched, 0) = 1) THEN {} END",
        kept, bit, digest(place, fmt::format("CAST({} AS {})", *column.expression, column.type)));
}

// All of a row that was made since counts as touched. Where each value follows from what was touched in the batch
// alone, only rows that are set apart need it: what they have on the write side is not what it should be.
std::string keep_statements::remember_since() const {
    std::vector<std::string> held(transfer::touched_bits(*transfer_) - 1, "NULL");
    bool any_held = false;
    bool remembers = false;
    for (std::size_t place = 0; place < transfer_->columns.size(); ++place) {
        const transfer::column& column = transfer_->columns[place];
        remembers = remembers || column.remembered;
        const auto bit = transfer::touched_bit(*transfer_, place);
        if (bit && transfer::is_held(column)) {
            any_held = true;
            held[*bit - 1] = held_value(place, *bit);
        }
    }
    const std::string keys = numbered(transfer_->key.columns.size(),
                                      [](std::size_t at) { return fmt::format("b.k{0} AS pgeist_k{0}", at); });
    const std::string values =
        numbered(transfer_->columns.size(), [](std::size_t at) { return fmt::format("b.c{0} AS pgeist_c{0}", at); });
    const std::string rows = fmt::format(
        "(SELECT {}, {}, b.lived AS pgeist_lived, b.made AS pgeist_made, b.touched AS pgeist_touched, b.held AS "
        "pgeist_held, b.state AS pgeist_state FROM {} AS b WHERE b.touched IS DISTINCT FROM NULL) AS pgeist_b",
        keys, values, transfer_->batch().sql());
    const std::string none = transfer::none_touched(*transfer_);
    const std::string touched = fmt::format("set_bit(pgeist_b.pgeist_touched, 0, 0) <> {}", none);
    return fmt::format(
        "INSERT INTO {} ({}, made, touched, held) SELECT {}, pgeist_b.pgeist_made, CASE WHEN pgeist_b.pgeist_made THEN "
        "{} ELSE set_bit(pgeist_b.pgeist_touched, 0, 0) END, {} FROM {} {} WHERE {}",
        transfer_->since().sql(), walk::log_columns(transfer_->key), names(transfer_->key, "pgeist_b.pgeist_", 'k'),
        transfer::all_touched(*transfer_), any_held ? fmt::format("ARRAY[{}]::text[]", join(held, ", ")) : "NULL", rows,
        read_row(),
        remembers ? fmt::format("{}pgeist_b.pgeist_made OR {}", any_held ? "true OR " : "", touched)
                  : fmt::format("pgeist_b.pgeist_state IS DISTINCT FROM NULL AND {}", touched));
}

std::string keep_statements::empty() const {
    const std::string schema = quote_identifier(transfer_->schema);
    const std::string arrivals =
        keeps_history(*transfer_) ? fmt::format("; DELETE FROM {}.pgeist_arrivals", schema) : "";
    const std::string touches =
        transfer::logs_touched(*transfer_) ? fmt::format("; DELETE FROM {}.pgeist_touches", schema) : "";
    return fmt::format("DELETE FROM {}; DELETE FROM {}.pgeist_stage{}{}", transfer_->batch().sql(), schema, arrivals,
                       touches);
}

}  // namespace pgeist::replay
