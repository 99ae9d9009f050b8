// Tests of revisions_test: in work.
