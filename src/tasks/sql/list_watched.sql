-- What is held by a holder whose life the host can see. By idx_tasks_liveness.
SELECT id, fence, assigned_to, liveness FROM tasks @by_liveness@ WHERE liveness IS NOT NULL ORDER BY liveness, id
