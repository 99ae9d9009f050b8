// The write path: threads queue, one leads: prepare the group, append, flush, then bring the cache
// along.

#include "write_group.hpp"

#include <algorithm>
#include <utility>

namespace taskstore::records {
namespace {

constexpr int kTakenAwayMax = 4;  // each time it was built as often

}  // namespace

std::string_view to_text(Effect effect) {
    constexpr std::array<std::string_view, 4> kTexts{"unchanged", "created", "changed", "deleted"};
    return kTexts[static_cast<std::size_t>(effect)];
}

Result<Written> PlanImpl::write(std::vector<Write> writes) {
    if (writes.empty()) return Written{};
    Ticket ticket;
    ticket.writes = std::move(writes);
    std::unique_lock queue(x_queue_mutex);
    x_queue.push_back(&ticket);
    while (!ticket.done) {
        if (x_leading) {
            x_queue_moved.wait(queue, [&] { return ticket.done || !x_leading; });
            continue;
        }
        // Whoever finds the queue without a leader leads: one append and one flush for all who
        // wait.
        x_leading = true;
        std::vector<Ticket*> tickets;
        while (!x_queue.empty() && tickets.size() < kGroupMax) {
            tickets.push_back(x_queue.front());
            x_queue.pop_front();
        }
        queue.unlock();
        commit_group(tickets);
        queue.lock();
        for (auto served = tickets.rbegin(); served != tickets.rend(); ++served) {
            if (std::exchange((*served)->waits, false))
                x_queue.push_front(*served);
            else
                (*served)->done = true;
        }
        x_leading = false;
        x_queue_moved.notify_all();
    }
    return std::move(ticket.result);
}

Status PlanImpl::check_fresh_for(Group& group, const std::vector<Ticket*>& tickets) {
    std::set<std::string> touched;
    for (const Ticket* ticket : tickets) {
        for (const Write& write : ticket->writes) {
            touched.insert(write.collection);
            const Kind* kind = x_catalogue->find_collection(write.collection);
            if (kind == nullptr) continue;
            if (!write.check_references) continue;
            for (const ledger::Change& change : write.changes) {
                const Field* field = kind->field(change.name);
                if (field != nullptr && !field->refers_to.empty())
                    touched.insert(std::string(field->refers_to));
            }
        }
    }
    bool fresh = is_of_this_boot();
    for (const std::string& collection : touched) {
        if (!fresh) break;
        if (!ledger::is_collection_name(collection)) continue;
        TASKSTORE_LET(const FileRow row, x_cache->file_row(collection));
        group.files[collection] = row;
        const auto info = x_files.info(x_ledger.path_of(collection));
        const bool absent = !info && info.error().code == Code::not_found;
        fresh = absent ? row.number == 0 : info && !row.racy && row.identity == info->identity;
    }
    if (fresh) return ok();
    group.files.clear();
    group.cache.reset();
    x_db->rollback();
    TASKSTORE_TRY(refresh_locked());
    return begin(group);
}

Status PlanImpl::begin(Group& group) {
    if (auto transaction = sql::Transaction::begin_write(*x_db)) {
        group.cache.emplace(std::move(*transaction));
        return ok();
    }
    return x_db->begin_read();
}

/// Everything before the first append: an error leaves no trace.
Status PlanImpl::prepare_all(Group& group, const std::vector<Ticket*>& tickets) {
    Cached cached = cached_state();
    const auto attempt = [&]() -> Status {
        if (cached != Cached::open || x_cache_read_only)
            TASKSTORE_TRY(bring_up_locked(x_cache_read_only ? Cached::damaged : cached));
        TASKSTORE_TRY(begin(group));
        TASKSTORE_TRY(check_fresh_for(group, tickets));
        x_cache->forget_rids();
        x_replica->catch_up();
        for (Ticket* ticket : tickets) {
            const std::size_t before = group.lines.size();
            if (auto status = prepare(group, *ticket); !status) {
                const Code code = status.error().code;
                if (code == Code::corrupt || code == Code::failed) return status;
                ticket->result = fail(status.error());
                group.forget_from(before);
            }
        }
        return ok();
    };
    const auto give_up = [&] {
        group.clear();
        if (x_db) x_db->rollback();
    };
    Status status = attempt();
    // Somebody may take it away as often as it is built: that is no reason to fail yet.
    const auto tries_max = [](Code code) {
        return code == Code::not_found || code == Code::unavailable ? kTakenAwayMax : 1;
    };
    for (int tries = 0;
         !status && is_broken(status.error()) && tries < tries_max(status.error().code); ++tries) {
        give_up();
        cached = cached_state();
        if (cached == Cached::open) {
            cached = Cached::damaged;
            x_broken = "was damaged (" + status.error().message + ")";
        }
        status = attempt();
    }
    if (!status)
        give_up();
    else if (!group.cache)
        x_db->rollback();
    return status;
}

void PlanImpl::commit_group(std::vector<Ticket*>& tickets) {
    const auto fail_all = [&](const Error& error) {
        for (Ticket* ticket : tickets) ticket->result = fail(error);
    };
    const std::lock_guard db(x_db_mutex);
    auto guard = x_ledger.lock().acquire(x_ledger.lock_wait());
    if (!guard) return fail_all(cannot_write(guard.error()));
    Group group;
    if (auto status = prepare_all(group, tickets); !status)
        return fail_all(cannot_write(status.error()));
    // A store that was made by another program learns at our first line what git must not see.
    if (!group.lines.empty() && !std::exchange(x_folder_completed, true)) {
        if (auto status = ledger::complete_folder(x_files, x_options.folder); !status)
            note("the store's .gitignore or .version could not be completed: " +
                 status.error().message);
    }
    std::map<std::string, std::string> texts;
    for (const Prepared& line : group.lines) texts[line.collection] += line.text;
    std::map<std::string, ledger::Appended> appended;
    std::map<std::string, Error> failures;
    for (const auto& [collection, text] : texts) {
        auto done = x_ledger.append(collection, text);
        if (done)
            appended[collection] = std::move(*done);
        else
            failures[collection] = done.error();
    }
    for (const Prepared& line : group.lines) {
        const auto failure = failures.find(line.collection);
        if (failure == failures.end()) continue;
        line.ticket->result = fail(cannot_write(failure->second));
    }
    // The stamps may stand in the ledger, also those of an append that failed: no later one must be
    // smaller.
    if (!texts.empty()) (void)x_replica->save().has_value();
    std::erase_if(group.lines, [&](const Prepared& line) { return !line.ticket->result; });
    if (!failures.empty()) x_checked_boot_ns = 0;
    if (group.lines.empty()) return;

    // Durable from here on: what goes wrong now is a warning, never an error.
    std::vector<std::string> warnings;
    // Of a batch that failed in part, lines may stand in the files that nobody is told of.
    const bool whole = failures.empty();
    if (!whole || !apply(group, appended)) {
        group.cache.reset();
        x_db->rollback();
        x_cache->forget_counts();
        if (auto status = bring_up_locked(cached_state()); !status) {
            take_cache_away();
            warnings.push_back("the record is safe in the ledger, but the cache stayed behind (" +
                               status.error().message + "); the next command builds it again");
        }
    }
    for (Prepared& line : group.lines) {
        Written& written = *line.ticket->result;
        written.records.push_back(std::move(line.record));
        written.effects.push_back(line.effect);
        if (!warnings.empty() && written.notes.empty()) written.notes = warnings;
        for (const std::string& text : appended[line.collection].notes) {
            if (std::ranges::find(written.notes, text) == written.notes.end())
                written.notes.push_back(text);
        }
    }
}

/// Hashes what our appends left behind the chunks, once it is a chunk's worth. Only if the file is
/// the one that was taken in, before and after: a hash of other bytes would hide them for ever.
Status PlanImpl::extend_chunks(std::string_view collection, FileRow& row) {
    if (row.identity.size - row.hashed < ledger::kChunkBytes) return ok();
    TASKSTORE_LET(auto chunks, x_cache->chunks_of(row.number));
    ledger::ScanStart start;
    if (!chunks.empty()) {
        start = {chunks.back().line_start, chunks.back().line_number};
        chunks.resize(std::min(chunks.size() - 1,
                               static_cast<std::size_t>(start.offset / ledger::kChunkBytes) + 1));
    }
    const auto file = x_files.open(x_ledger.path_of(collection), os::OpenMode::read);
    const auto is_ours = [&] {
        const auto info = (*file)->info();
        return info && info->identity == row.identity;
    };
    if (!file || !is_ours()) return ok();
    const auto scanned = ledger::scan(**file, row.identity.size, start, chunks,
                                      [](const ledger::ScannedLine&) { return ok(); });
    if (!scanned || !is_ours()) return ok();
    return x_cache->save_chunks(row, chunks);
}

Status PlanImpl::apply(Group& group, std::map<std::string, ledger::Appended>& appended) {
    std::vector<Prepared>& lines = group.lines;
    if (!group.cache) TASKSTORE_TRY(begin(group));
    if (!group.cache) return fail(Code::unavailable, "somebody keeps the cache locked");
    x_cache->forget_counts();
    std::map<std::string, FileRow> rows;
    std::map<std::string, std::int64_t> offsets;
    for (auto& [collection, file] : appended) {
        FileRow row;
        if (const auto known = group.files.find(collection); known != group.files.end()) {
            row = known->second;
        } else {
            TASKSTORE_LET(row, x_cache->file_row(collection));
        }
        const bool seen_before =
            row.number == 0 ? file.before.size == 0 : !row.racy && row.identity == file.before;
        if (!file.chained || !seen_before) {
            // Others wrote to it too: it is read like any file that changed.
            TASKSTORE_TRY(x_cache->take_in(x_taken_in, x_options.progress));
            return commit(group);
        }
        if (row.number == 0) {
            TASKSTORE_LET(const std::int64_t last,
                          x_cache->number("SELECT max(file) FROM taskstore_files"));
            row.number = last + 1;
            TASKSTORE_TRY(x_cache->save_file(collection, row));
        }
        row.identity = file.after;
        row.racy = !file.marked;
        rows[collection] = row;
        offsets[collection] = file.offset;
    }
    std::map<Ticket*, std::int64_t> batches;
    std::int64_t done = 0;
    for (const Prepared& line : lines) {
        if (++done % 256 == 0 && x_options.progress)
            x_options.progress("writing", done, static_cast<std::int64_t>(lines.size()));
        const FileRow& row = rows[line.collection];
        std::int64_t& offset = offsets[line.collection];
        const auto bytes = static_cast<std::int64_t>(line.text.size()) - 1;
        std::int64_t batch = 0;
        if (line.batch_number != 0) {
            batch = batches[line.ticket];
            if (batch == 0) {
                TASKSTORE_LET(
                    batch, x_cache->add_batch(line.ticket->batch,
                                              static_cast<std::int64_t>(line.ticket->writes.size()),
                                              true));
                batches[line.ticket] = batch;
            }
        }
        TASKSTORE_TRY(x_cache->add_line(row.number * kFileSpan + offset, line.rid, bytes, batch,
                                        line.batch_number));
        offset += bytes + 1;
        if (!line.known && !line.members.empty()) {
            TASKSTORE_TRY(x_cache->put_new(line.collection, line.rid, line.record,
                                           ledger::split_own_line(line.text).second, line.members));
        } else {
            TASKSTORE_TRY(
                x_cache->put_own(line.collection, line.rid, line.text, true, line.beside));
        }
    }
    for (auto& [collection, row] : rows) {
        TASKSTORE_TRY(extend_chunks(collection, row));
        TASKSTORE_TRY(x_cache->save_file(collection, row));
    }
    TASKSTORE_TRY(x_cache->save_counts());
    return commit(group);
}

Status PlanImpl::commit(Group& group) {
    sql::Transaction transaction = std::move(*group.cache);
    group.cache.reset();
    return transaction.commit();
}

}  // namespace taskstore::records
